"""`make local-down`: destroy what was deployed, stop the server, remove what it knew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tools.local_aws import server
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access
from tools.local_aws.paths import Place
from tools.local_aws.problem import LocalError

Say = Callable[[str], None]
_PROTECTION = "deletion_protection.enabled"


def down(place: Place, console: Console) -> None:
    """Remove everything that `make local` made."""

    def say(text: str) -> None:
        console.print(f"[bold blue]==[/] {text}", highlight=False, soft_wrap=True)

    if not place.folder.exists():
        say("There is no local AWS to take down")
        return
    with place.alone():
        found = server.running(place)
        if found is None:
            say("The local AWS is not running: there is nothing to destroy")
        else:
            for assembly in sorted(place.assemblies.glob("*/manifest.json")):
                destroy(found.endpoint, assembly.parent, place, say)
        if server.stop(place):
            say("The local AWS is stopped")
        shutil.rmtree(place.folder)
    place.folder.with_name(f"{place.folder.name}.lock").unlink(missing_ok=True)


def stop(place: Place) -> None:
    """Stop the server and destroy nothing: it comes back as it was."""
    if place.folder.exists():
        server.stop(place)


def destroy(endpoint: str, assembly: Path, place: Place, say: Say) -> None:
    """Have the CDK CLI destroy the stacks of an assembly."""
    where = stacks_of(assembly)
    deployed = [
        (access, name) for access, name in _accesses(endpoint, where) if _is_there(access, name)
    ]
    if not deployed:
        return
    say(f"Destroying {', '.join(name for _, name in deployed)}")
    for access in dict.fromkeys(access for access, _ in deployed):
        _lift_protection(access, say)
    try:
        Cdk(deployed[0][0], place).run("destroy", "--all", "--force", "--app", str(assembly))
    except LocalError as error:
        message = f"{error}. The local AWS goes on running; `make local-down` tries again"
        raise LocalError(message) from error


def stacks_of(assembly: Path) -> dict[str, tuple[str, str]]:
    """Account and region of every stack of an assembly, by name."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    found = {}
    for key, artifact in manifest["artifacts"].items():
        if artifact["type"] == "aws:cloudformation:stack":
            account, region = artifact["environment"].removeprefix("aws://").split("/")
            found[artifact.get("displayName", key)] = (account, region)
    return found


def _accesses(endpoint: str, where: dict[str, tuple[str, str]]) -> list[tuple[Access, str]]:
    return [(Access(endpoint, *of), name) for name, of in sorted(where.items())]


def _is_there(access: Access, stack: str) -> bool:
    pages = access.client("cloudformation").get_paginator("list_stacks")
    return any(
        one["StackName"] == stack and one["StackStatus"] != "DELETE_COMPLETE"
        for page in pages.paginate()
        for one in page["StackSummaries"]
    )


def _lift_protection(access: Access, say: Say) -> None:
    """Turn deletion protection off, as an operator would have to before a destroy."""
    client = access.client("elbv2")
    for one in client.describe_load_balancers()["LoadBalancers"]:
        arn = one["LoadBalancerArn"]
        attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        if {"Key": _PROTECTION, "Value": "true"} in attributes:
            say(f"Lifting the deletion protection of {one['LoadBalancerName']}")
            client.modify_load_balancer_attributes(
                LoadBalancerArn=arn, Attributes=[{"Key": _PROTECTION, "Value": "false"}]
            )
    databases = access.client("rds")
    for one in databases.describe_db_instances()["DBInstances"]:
        if one["DeletionProtection"]:
            name = one["DBInstanceIdentifier"]
            say(f"Lifting the deletion protection of {name}")
            databases.modify_db_instance(
                DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True
            )
