"""Rules about the logs that machines send to CloudWatch Logs."""

from collections.abc import Iterator

from denodo_ha.environment.loading.problem import Problem, Severity
from denodo_ha.environment.model.environment import Environment

_KEY = ("logs", "kms_key")


def keys_are_in_their_region(environment: Environment) -> Iterator[Problem]:
    """A KMS key must be in the region of its entry in `logs.kms_key`, a region with a cluster."""
    logs = environment.logs
    if logs is None or logs.kms_key is None:
        return
    regions = {cluster.region for cluster in environment.clusters.values()}
    for region, arn in logs.kms_key.items():
        if region not in regions:
            yield Problem(
                (*_KEY, region),
                "is not a region of this environment",
                "the key would be ignored",
                f"write one of {', '.join(sorted(regions))}",
                value=region,
                at_key=True,
            )
        elif arn.split(":")[3] != region:
            yield Problem(
                (*_KEY, region),
                "is a key of another region",
                "a log group can only be encrypted with a key of its own region (AWS, Amazon "
                "CloudWatch Logs User Guide, Encrypt log data in CloudWatch Logs using KMS)",
                f"write the ARN of a key in {region}, or remove {region}",
                value=arn,
            )


def nodes_send_logs(environment: Environment) -> Iterator[Problem]:
    """Each node of a cluster should send its logs, which is a task of the node program."""
    if environment.logs is None:
        return
    if not environment.denodo.program:
        yield _silent(
            ("denodo", "program"),
            "the node program sends the logs, and denodo.program: false turns the node program off",
            "write denodo.program: true, or logs: false",
        )
        return
    for cluster_name, cluster in environment.clusters.items():
        for name, node in cluster.nodes.items():
            if node.instance_id is not None:
                yield _silent(
                    ("clusters", cluster_name, "nodes", name, "instance_id"),
                    "the node program sends the logs, and an existing instance does not have the "
                    "node program",
                    "collect the logs of this instance by other means, such as the CloudWatch "
                    "agent",
                )


def _silent(path: tuple[str, ...], why: str, instead: str) -> Problem:
    return Problem(
        path,
        "is an instance that sends no logs"
        if path[0] == "clusters"
        else "is false, so that no node sends logs",
        why,
        f"{instead}; or accept: {{logs-missing: {{why: …, until: YYYY-MM-DD}}}}",
        severity=Severity.WARNING,
        rule="logs-missing",
    )


RULES = (keys_are_in_their_region, nodes_send_logs)
