"""The CDK CLI, with test machines as stand-ins for new instances."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.polling import Clock
from tests.e2e.deployment import Deployment
from tests.e2e.nodes import Machine

_POLL_S = 1


@dataclass(frozen=True, kw_only=True)
class Replacing(Cdk):
    """The real CDK CLI; after a deploy, a node's test machine stands for its new instance."""

    deployment: Deployment
    machines: dict[str, Machine]
    cluster: str

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        super().deploy(out, stack, clock)
        for name, node in self.deployment.topology().clusters[self.cluster].nodes.items():
            if self.machines[name].instance_id != node.instance_id:
                self._become(self.machines[name], node.instance_id, clock)

    @staticmethod
    def _become(machine: Machine, instance_id: str, clock: Clock) -> None:
        """Boot a machine, while the command waits as for CloudFormation."""
        with ThreadPoolExecutor(1) as pool:
            boot = pool.submit(machine.become, instance_id)
            while not boot.done():
                clock.sleep(_POLL_S)
            boot.result()
