"""Cases of the rules about logs."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.logs import keys_are_in_their_region, nodes_send_logs
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import ACCOUNT


def key(region: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/11112222-3333-4444-5555-666677778888"


WRONG = (
    Wrong(
        keys_are_in_their_region,
        {"logs": {"kms_key": {"eu-west-1": key("eu-west-2")}}},
        "logs.kms_key.eu-west-1",
        ("is a key of another region", "write the ARN of a key in eu-west-1"),
    ),
    Wrong(
        keys_are_in_their_region,
        {"logs": {"kms_key": {"eu-west-3": key("eu-west-3")}}},
        "logs.kms_key.eu-west-3",
        ("is not a region of this environment", "write one of eu-west-1"),
    ),
    Wrong(
        nodes_send_logs,
        {"logs": True, "denodo/program": False},
        "denodo.program",
        ("is false, so that no node sends logs", "write denodo.program: true, or logs: false"),
        severity=Severity.WARNING,
    ),
)

RIGHT = (
    Right(keys_are_in_their_region, {"logs": {"kms_key": {"eu-west-1": key("eu-west-1")}}}),
    Right(keys_are_in_their_region, {"logs": True}),
    Right(nodes_send_logs, {"logs": False, "denodo/program": False}),
    Right(nodes_send_logs, {"logs": True}),
)
