"""IAM policy of catalog operators: it allows the calls of `denodo-ha catalog` on one cluster."""

import json
from typing import Any

from denodo_ha.cli import exit_codes
from tests.commands.account.calls import Call
from tests.commands.account.catalog_cloud import REGION, Catalog
from tests.commands.account.dns import MOTO
from tests.commands.conftest import Init, Run
from tests.support.configurations import ACCOUNT
from tests.support.policy_simulator import allows

_CONFIGURED = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:admin-AbCdEf"
_S3 = {
    "ListObjectVersions": "s3:ListBucketVersions",
    "GetObject": "s3:GetObjectVersion",
    "PutObject": "s3:PutObject",
}
"""IAM action of each S3 operation; reading a version of an object has its own action (AWS, Service
Authorization Reference, Amazon S3)."""
_BY_OTHERS = {
    *("rds:DescribeDBInstances", "s3:GetObject", "secretsmanager:DescribeSecret"),
    "s3:ListBucket",  # `denodo-ha history` lists the bucket
    *("ssm:StartSession", "ssm:TerminateSession", "ssm:ResumeSession"),
}
"""Actions of the policy that no call in this test makes: for a database that the stack created, for
the option `--through`, and for reads that operators make by hand."""


def _request(call: Call, admin: str) -> tuple[str, str]:
    """Return action and resource of a call, as IAM evaluates them."""
    parameters: Any = call.parameters
    if call.service == "s3":
        path = "/".join(parameters[key] for key in ("Bucket", "Key") if key in parameters)
        return _S3[call.operation], f"arn:aws:s3:::{path}"
    action = f"{call.service}:{call.operation}"
    if call.service == "secretsmanager":
        arn = parameters["SecretId"]
        # moto's secrets have another account and another suffix than the configured secret.
        return action, _CONFIGURED if arn == admin else arn.replace(MOTO, ACCOUNT)
    name = parameters["StackName"]
    prefix = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/"
    return action, name if name.startswith(prefix) else f"{prefix}{name}/01234567"


def test_allows_what_the_commands_call_and_no_more(
    catalog: Catalog, init: Init, denodo_ha: Run
) -> None:
    stack = catalog.cloud.stacks.all[-1]
    bucket = stack.outputs["ExportBucket"]
    for node in ("node1", "node2"):
        body = json.dumps({"at": "2026-01-01T00:00:00+00:00", "digest": "abc", "size": 1})
        s3 = catalog.cloud.client("s3", REGION)
        s3.put_object(Bucket=bucket, Key=f"{node}/export.json", Body=body.encode())
    assert init().exit_code == exit_codes.DONE
    for arguments in (
        ("rotate", "scheduler", *catalog.reach),
        ("rotate", "scheduler", "--finish", *catalog.reach),
    ):
        done = denodo_ha("catalog", *arguments)
        assert done.exit_code == exit_codes.DONE, done.output
    assert "The exported nodes have the same metadata" in (
        denodo_ha("catalog", "status", *catalog.arguments).output
    )
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=".history/")["Contents"]
    entries = [
        s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode() for each in listed
    ]
    assert sorted(json.loads(entry)["command"] for entry in entries) == [
        "catalog init",
        *["catalog rotate"] * 2,
    ]
    for component in ("scheduler", "data-catalog"):
        assert catalog.value(component)["password"] not in "".join(entries)
    (policy,) = (
        resource["Properties"]
        for resource in stack.template["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    )
    assert not policy.keys() & {"Users", "Groups", "Roles"}
    statements = policy["PolicyDocument"]["Statement"]
    context = {"aws:RequestedRegion": REGION}
    admin = stack.outputs["CatalogAdminSecret"]
    made = {_request(call, admin) for call in catalog.cloud.calls.made if call.service != "sts"}
    assert [one for one in sorted(made) if not allows(statements, *one, context)] == []
    allowed = {
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert {action for action, _ in made} == allowed - _BY_OTHERS
    for action, resource in made:
        assert not allows(statements, action, resource.replace("main", "other"), context) or (
            resource == _CONFIGURED
        )
