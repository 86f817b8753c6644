"""Deployment of the fault matrix's environment to the local AWS, and of new machines in it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from denodo_ha.aws.polling import Clock
from denodo_ha.environment.loading.loader import load
from tests.faults.site import KEPT, LOST, NAME, PRIMARY, SECONDARY, Site, write_pins
from tests.support import local_aws_server, pinned_template
from tests.support.assembly import ROOT, synthesise
from tests.support.servers.fault_proxy import FaultProxy
from tests.support.stack_updates import update_stack, upload_template, wait_for_stack
from tools.local_aws import deployment
from tools.local_aws.credentials import Access

_ACCOUNT = re.compile(r"\b111122223333\b")
_STACK: Final = f"{NAME}-{PRIMARY}"
_BOOTSTRAP: Final = "/cdk-bootstrap/hnb659fds/version"
"""Parameter with the version of the bootstrap stack (AWS CDK, Bootstrapping)."""


@contextmanager
def deployed_site(folder: Path) -> Iterator[Site]:
    """Deploy the example with two regions, with a fault proxy in front of the local AWS."""
    account = local_aws_server.new_account()
    text = _ACCOUNT.sub(account, (ROOT / "config/examples/active-passive.yaml").read_text())
    data = dict(YAML(typ="safe").load(text))
    for cluster in data["clusters"].values():
        # A drain takes 20 s of the local AWS's clock.
        cluster["balancer"]["deregistration_delay"] = 20
    data["clusters"][PRIMARY]["balancer"]["zonal_shift"] = True
    file = folder / "environment.yaml"
    file.write_text(json.dumps(data))
    loaded, endpoint = load(file), local_aws_server.endpoint()
    deployment.make_prerequisites(endpoint, loaded)
    assembly = synthesise(loaded, folder / "cdk.out")
    for name in (f"{NAME}-{PRIMARY}", f"{NAME}-{SECONDARY}", f"{NAME}-failover"):
        region = LOST if name.endswith(PRIMARY) else KEPT
        _create(Access(endpoint, account, region), name, assembly.templates[name])
    write_pins(file, assembly.templates.values())
    with FaultProxy(endpoint) as proxy:
        site = Site(proxy, loaded, file, account, folder / "cdk.out", dict(assembly.templates))
        with site.agents:
            yield site


@dataclass(frozen=True)
class MachineDeployer:
    """Stand-in for the CDK CLI: deploys a cluster's template with the machines of its pins.

    The CLI makes its own calls to AWS, in its own process, so that no fault applies to them.
    """

    site: Site

    def synth(self, config: Path, out: Path) -> None:
        """Write a cloud assembly."""
        template = pinned_template.with_pins(
            self.site.templates[_STACK],
            load(config).pins.root[PRIMARY],
            environment=NAME,
            cluster=PRIMARY,
            region=LOST,
        )
        out.mkdir()
        (out / "stack.json").write_text(json.dumps(template))
        artifact = {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": _STACK, "templateFile": "stack.json"},
        }
        (out / "manifest.json").write_text(json.dumps({"artifacts": {_STACK: artifact}}))

    def deploy(self, out: Path, stack: str, _clock: Clock) -> None:
        """Deploy the stack of an assembly."""
        template = json.loads((out / "stack.json").read_text())
        access = Access(local_aws_server.endpoint(), self.site.account, LOST)
        update_stack(access, stack, template)
        self.site.deployed_anew(stack, template)


def _create(access: Access, name: str, template: dict[str, Any]) -> None:
    access.client("ssm").put_parameter(Name=_BOOTSTRAP, Value="99", Type="String", Overwrite=True)
    client = access.client("cloudformation")
    tags = {"denodo:environment": NAME}
    if not name.endswith("-failover"):
        tags["denodo:cluster"] = name.removeprefix(f"{NAME}-")
    client.create_stack(
        StackName=name,
        TemplateURL=upload_template(access, name, template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    wait_for_stack(client, name, "CREATE_COMPLETE")
