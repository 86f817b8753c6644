"""The CDK CLI, with test machines as stand-ins for new instances."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Failed
from denodo_ha.environment.loading.loader import load
from tests.e2e.deployment import Deployment
from tests.e2e.nodes import Machine
from tests.support.assembly import synthesise
from tests.support.stack_updates import update_stack

_POLL_S = 1


@dataclass(frozen=True, kw_only=True)
class Replacing(Cdk):
    """The real CDK CLI; after a deploy, a node's test machine stands for the new instance."""

    deployment: Deployment
    machines: dict[str, Machine]
    cluster: str

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        self._update(out, stack, clock)
        for name, node in self.deployment.topology().clusters[self.cluster].nodes.items():
            if self.machines[name].instance_id != node.instance_id:
                self._become(self.machines[name], node.instance_id, clock)

    def _update(self, out: Path, stack: str, clock: Clock) -> None:
        super().deploy(out, stack, clock)

    @staticmethod
    def _become(machine: Machine, instance_id: str, clock: Clock) -> None:
        """Boot a test machine as the new instance; meanwhile, the command waits, as in a deploy."""
        with ThreadPoolExecutor(1) as pool:
            boot = pool.submit(machine.become, instance_id)
            while not boot.done():
                clock.sleep(_POLL_S)
            boot.result()


class ReplacingDirectly(Replacing):
    """Stand-in for the CDK CLI: runs the CDK app in this process, and calls CloudFormation's API.

    Two starts of the CLI take most of the time of a replacement. Some tests of `test_proxied` and
    `test_replaced` use the CLI.
    """

    def synth(self, config: Path, out: Path) -> None:
        synthesise(load(config), out)

    def _update(self, out: Path, stack: str, clock: Clock) -> None:
        template = json.loads((out / f"{stack}.template.json").read_text())
        with ThreadPoolExecutor(1) as pool:
            update = pool.submit(update_stack, self.deployment.access, stack, template)
            while not update.done():
                clock.sleep(_POLL_S)
        try:
            update.result()
        except RuntimeError as error:
            raise Failed(str(error)) from None
