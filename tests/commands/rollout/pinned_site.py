"""A deployed environment with a pins file, whose deploys are simulated."""

from pathlib import Path

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.environment.loading.loader import load
from denodo_ha.rollout.machine_rollout import MachineRollout
from denodo_ha.rollout.node_replacement import NodeReplacement
from tests.commands.account.agents import Agents
from tests.commands.account.cdk_stand_in import FakeCdk
from tests.commands.account.cloud import Cloud
from tests.support.assembly import ROOT

CLUSTER = "main"
OLD, NEW = "ami-0123456789abcdef0", "ami-0fedcba9876543210"
EXAMPLE = ROOT / "config/examples/active-active.yaml"


class KilledError(BaseException):
    """Simulated kill of the process: a BaseException that no handler of the command catches."""


class Site:
    """A deployed environment of three nodes; the configuration has another image than the pins."""

    def __init__(self, cloud: Cloud, file: Path) -> None:
        self.cloud, self.file = cloud, file
        cloud.targets.hurry(20)
        self.agents = Agents(cloud, CLUSTER)
        self.cdk = FakeCdk(cloud, self.agents)
        self.pins = file.with_suffix(".pins.yaml")

    def ask_for(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def rolling(
        self,
        *,
        take_over: bool = False,
        snapshot: bool = False,
        without_license_manager: bool = False,
    ) -> MachineRollout:
        return MachineRollout(
            self._context(take_over=take_over),
            file=self.file,
            cdk=self.cdk,
            snapshot=snapshot,
            without_license_manager=without_license_manager,
        )

    def replacing(
        self,
        *,
        take_over: bool = False,
        even_if_running: bool = False,
        instance_type: str | None = None,
    ) -> NodeReplacement:
        return NodeReplacement(
            self._context(take_over=take_over),
            file=self.file,
            cdk=self.cdk,
            even_if_running=even_if_running,
            instance_type=instance_type,
        )

    def _context(self, *, take_over: bool) -> OperationContext:
        aws = Aws(attempts=1)
        site = environment_locator.locate_environment(
            aws, config=str(self.file), environment=None, regions=None
        )
        return OperationContext(
            aws,
            site.environment,
            site.cluster(CLUSTER),
            self.cloud.clock,
            Progress(),
            take_over=take_over,
        )

    def images(self) -> dict[str, str]:
        """Return the image in the pin of each node."""
        return {node: pin.image for node, pin in load(self.file).pins.root[CLUSTER].items()}

    def first_boots(self) -> dict[str, int]:
        """Return the first-boot version in the pin of each node."""
        return {node: pin.first_boot for node, pin in load(self.file).pins.root[CLUSTER].items()}

    def make_with_the_original_text(self) -> None:
        """Give the deployed nodes version 1 of the first-boot text."""
        for resource in self.cloud.stack(CLUSTER).template["Resources"].values():
            if resource["Type"] == "AWS::EC2::Instance":
                tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
                user_data = self.cdk.user_data(tags["denodo:node"], 1)
                resource["Properties"]["UserData"] = user_data

    def marked(self) -> set[str]:
        return {name for name in self.cloud.nodes(CLUSTER) if self.cloud.mark(CLUSTER, name)}

    def is_well(self) -> None:
        assert (self.agents.out(), self.marked()) == (set(), set())
        assert all(len(changed) <= 1 for changed in self.cdk.deploys)
        assert self.agents.most_out <= 1
