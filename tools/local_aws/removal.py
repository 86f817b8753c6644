"""`make local-down`: destroy the deployed stacks, stop the server, and remove the state folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tools.local_aws import server_process
from tools.local_aws.bootstrap import Location
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access
from tools.local_aws.emulator.child_processes import ChildProcesses
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import Paths

Say = Callable[[str], None]
_PROTECTION = "deletion_protection.enabled"


def remove_all(paths: Paths, console: Console) -> None:
    """Remove everything that `make local` has made."""

    def say(text: str) -> None:
        console.print(f"[bold blue]==[/] {text}", highlight=False, soft_wrap=True)

    if not paths.folder.exists():
        say("There is no local AWS to remove")
        return
    with paths.exclusive():
        server = server_process.running(paths)
        if server is None:
            say("The local AWS is not running: its state is removed without destroying the stacks")
        else:
            for manifest in sorted(paths.assemblies.glob("*/manifest.json")):
                destroy(server.endpoint, manifest.parent, paths, say)
        if server_process.stop(paths):
            say("The local AWS has stopped")
        # Kill machines that a killed server has left behind: a suspended machine cannot notice that
        # its server has ended.
        ChildProcesses().install(paths.folder)
        shutil.rmtree(paths.folder)
    paths.lock.unlink(missing_ok=True)


def stop_server(paths: Paths) -> None:
    """Stop the server and keep its state for the next start."""
    if paths.folder.exists():
        server_process.stop(paths)


def destroy(endpoint: str, assembly: Path, paths: Paths, say: Say) -> None:
    """Destroy the stacks of a cloud assembly with the CDK CLI.

    Raises:
        LocalAwsError: a stack could not be destroyed.
    """
    deployed = [
        (Access(endpoint, *location), name)
        for name, location in sorted(stack_locations(assembly).items())
        if _exists(Access(endpoint, *location), name)
    ]
    if not deployed:
        return
    say(f"Destroying {', '.join(name for _, name in deployed)}")
    for access in dict.fromkeys(access for access, _ in deployed):
        _disable_deletion_protection(access, say)
    try:
        cdk = Cdk(deployed[0][0], paths)
        log = paths.folder / "destroy.log"
        cdk.run_quietly(log, say, "destroy", "--all", "--force", "--app", str(assembly))
    except LocalAwsError as error:
        message = f"{error}\nThe local AWS is still running: repeat `make local-down`"
        raise LocalAwsError(message) from error


def stack_locations(assembly: Path) -> dict[str, Location]:
    """Return account and region of every stack of a cloud assembly, by stack name."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    locations = {}
    for key, artifact in manifest["artifacts"].items():
        if artifact["type"] == "aws:cloudformation:stack":
            account, region = artifact["environment"].removeprefix("aws://").split("/")
            locations[artifact.get("displayName", key)] = (account, region)
    return locations


def _exists(access: Access, stack: str) -> bool:
    pages = access.client("cloudformation").get_paginator("list_stacks")
    return any(
        summary["StackName"] == stack and summary["StackStatus"] != "DELETE_COMPLETE"
        for page in pages.paginate()
        for summary in page["StackSummaries"]
    )


def _disable_deletion_protection(access: Access, say: Say) -> None:
    """Disable deletion protection, as an operator must do on AWS before destroying a stack."""
    elb = access.client("elbv2")
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        arn = balancer["LoadBalancerArn"]
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        if {"Key": _PROTECTION, "Value": "true"} in attributes:
            say(f"Disabling deletion protection of {balancer['LoadBalancerName']}")
            elb.modify_load_balancer_attributes(
                LoadBalancerArn=arn, Attributes=[{"Key": _PROTECTION, "Value": "false"}]
            )
    rds = access.client("rds")
    for database in rds.describe_db_instances()["DBInstances"]:
        if database["DeletionProtection"]:
            identifier = database["DBInstanceIdentifier"]
            say(f"Disabling deletion protection of {identifier}")
            rds.modify_db_instance(
                DBInstanceIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True
            )
