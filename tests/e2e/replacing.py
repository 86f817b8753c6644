"""The CDK CLI, with test machines as stand-ins for new instances."""

from dataclasses import dataclass
from pathlib import Path

from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.polling import Clock
from tests.e2e.deployment import Deployment
from tests.e2e.nodes import Machine


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
                self.machines[name].become(node.instance_id)
