"""Moving nodes to the machine that the configuration asks for: what `denodo-ha rollout` does.

For each node: synthesise with its pin moved, and see that this touches no other node; out of the
shared groups, drained; pin moved; deployed; ready with its metadata confirmed, back, healthy.
A deploy that fails puts pin and node back. What a killed run has left is found by its mark, its
pin and its template, and finished first.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from denodo_ha.aws import cloud_assembly
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import CommandError, Failed, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import node_pins
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.rotation import drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.plan import node_changes
from denodo_ha.plan.node_changes import Change
from denodo_ha.rollout import pending_moves
from denodo_ha.rollout import pins_file as files
from denodo_ha.rollout.node_by_node import Nodewise
from denodo_ha.rollout.pending_moves import WHY, Move

_READY_PATH = "/ready/"


class Deploys(Protocol):
    """What synthesises and deploys: `ops.cdk.Cdk`."""

    def synth(self, config: Path, out: Path) -> None:
        """Synthesise a configuration into a folder."""

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        """Deploy a stack of a folder, and no other; Failed if it does not come up."""


class MachineRollout(Nodewise):
    """Rolls one cluster out.

    Args:
        aws: the credentials.
        place: the cluster.
        file: the configuration.
        cdk: synthesises and deploys.
        clock: the time.
        progress: who is told.
        minimum: how many other nodes must be healthy; None: all of them.
        timeout: seconds for each wait; None: what the wait is about says.
    """

    def __init__(
        self,
        aws: Aws,
        place: StackLocation,
        *,
        file: Path,
        cdk: Deploys,
        clock: Clock,
        progress: Progress,
        minimum: int | None = None,
        timeout: int | None = None,
    ) -> None:
        super().__init__(
            aws, place, clock=clock, progress=progress, minimum=minimum, timeout=timeout
        )
        self._file, self._cdk = file, cdk

    def look(self) -> list[Move]:
        """What is to be done with each node, in the order to do it.

        Raises:
            Refused: nodes have no pin.
        """
        return pending_moves.look(
            self._aws, load(self._file), found.read_cluster(self._aws, self._place)
        )

    def roll_out(self, *, take_over: bool = False) -> list[str]:
        """Do it; gives the nodes that were moved.

        Args:
            take_over: take the cluster's lock from whoever holds it.

        Raises:
            Refused: too few nodes would serve, a deploy would touch others, or somebody else is at
                work.
            Failed: a deploy failed, or a node did not come up; the message says what stands.
            AwsError: AWS does not answer, or does not permit; the same.
            Interrupted: by Ctrl-C; the same.
        """
        moved: list[str] = []
        environment = load(self._file).environment.name
        with self._turn(environment, moved, what=WHY, take_over=take_over) as lock:
            for node in [move.node for move in self.look() if move.due]:
                lock.prove()
                self._one(node)
                moved.append(node)
        return moved

    def _one(self, node: str) -> None:
        loaded, cluster = load(self._file), found.read_cluster(self._aws, self._place)
        self._demand_rest(cluster)
        move = next(
            one for one in pending_moves.look(self._aws, loaded, cluster) if one.node == node
        )
        self._demand_ours(node, move.mark, unfinished=move.unfinished)
        if not move.due:
            return
        self._progress.say(f"{node}: {move}")
        mark = move.mark or DrainTag.now(self._clock, why=WHY)
        if move.differs:
            with self._staged(move) as out:
                self._harmless(loaded, cluster, move, out)
                self._rotation(cluster).out(
                    node, mark=mark, minimum=self._minimum, timeout=self._timeout
                )
                self._standing = f"{node} is out of the shared groups, and marked"
                self._deploy(cluster, move, out)
            cluster = self._keep_out(move, mark)
        self._bring_back(cluster, node)
        self._done(node)

    @contextmanager
    def _staged(self, move: Move) -> Iterator[Path]:
        """An assembly of the configuration with one pin moved, before anything else moves."""
        with tempfile.TemporaryDirectory(prefix="denodo-ha-") as folder:
            config = Path(folder) / self._file.name
            shutil.copyfile(self._file, config)
            files.write(pins_file(config), self._pins(move.node, move.target))
            self._progress.say(f"{move.node}: synthesising")
            out = Path(folder) / "cdk.out"
            self._cdk.synth(config, out)
            yield out

    def _pins(self, node: str, pin: Pin) -> str:
        """The pins file's text with one pin as given."""
        file = pins_file(self._file)
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        return files.changed(text, {self._place.name: {node: pin}})

    def _harmless(self, loaded: Loaded, cluster: Cluster, move: Move, out: Path) -> None:
        """Go on only if the deploy touches this node alone, and brings no empty catalog."""
        template = cloud_assembly.read_templates(out).get(cluster.stack.name)
        found_ = node_changes.changes(cluster.stack.template, template)
        others = [
            f"{one.node} ({one.effect}: {', '.join(one.why)})"
            for one in found_
            if one.node != move.node and (one.effect.touches or one.effect is Effect.NEW)
        ]
        if others:
            message = (
                f"the deploy that moves {move.node} would also touch {', '.join(others)}; "
                f"{self._standing}. Deploy or undo that change first: `denodo-ha plan` shows it"
            )
            raise Refused(message)
        own = next((one for one in found_ if one.node == move.node), None)
        if own and own.effect is Effect.REPLACEMENT:
            self._checked(loaded, cluster, own)

    def _checked(self, loaded: Loaded, cluster: Cluster, change: Change) -> None:
        """A new machine is in its groups before it is known what its catalog holds."""
        if loaded.environment.denodo.metadata.source == "catalog":
            return
        blind = [
            group.key
            for group in self._rotation(cluster).shared(change.node)
            if not (group.health.path or "").startswith(_READY_PATH)
        ]
        if blind:
            message = (
                f"{change.node} would be replaced, and {', '.join(blind)} would send to it before "
                f"its metadata is confirmed, as the check is not for readiness; {self._standing}. "
                "Leave out `health.protocol` of these services, and deploy, first"
            )
            raise Refused(message)

    def _deploy(self, cluster: Cluster, move: Move, out: Path) -> None:
        files.write(pins_file(self._file), self._pins(move.node, move.target))
        self._standing += "; its pin is moved, and the deploy may go on in CloudFormation"
        self._progress.say(f"{move.node}: deploying {cluster.stack.name}")
        try:
            self._cdk.deploy(out, cluster.stack.name, self._clock)
        except Failed as error:
            self._undo(move, error)

    def _undo(self, move: Move, error: Failed) -> None:
        """After a deploy that failed: pin and node as they were, if CloudFormation went back."""
        cluster = found.read_cluster(self._aws, self._place)
        runs = node_pins.deployed_pins(cluster).get(move.node)
        if cluster.stack.changing or cluster.stack.status.endswith("_FAILED") or runs is None:
            message = (
                f"{error}. {cluster.stack.name} is {cluster.stack.status}: {move.node} stays out "
                "of the shared groups, and its pin stays moved. Settle the stack, then run this "
                "again"
            )
            raise Failed(message) from error
        files.write(pins_file(self._file), self._pins(move.node, runs))
        message = f"{error}. The pin of {move.node} is again what it runs"
        try:
            self._bring_back(cluster, move.node)
        except CommandError as again:
            message = f"{message}; it does not come back: {again}"
            raise Failed(message) from again
        message += (
            f", {move.node} is back in service, and the others are untouched; the stack's events "
            "say why it failed"
        )
        raise Failed(message) from error

    def _keep_out(self, move: Move, mark: DrainTag) -> Cluster:
        """A new machine is registered by its deploy: out again, unless its metadata is confirmed.

        Until then the readiness check keeps it from being sent to.
        """
        cluster = found.read_cluster(self._aws, self._place)
        id_ = cluster.node(move.node).instance_id
        drain_tag.write(self._aws, self._place.region, id_, mark)
        self._standing = f"{move.node} is deployed and marked; it is not ready or healthy yet"
        try:
            confirmed = self._agent(cluster).status(move.node).confirmed
        except Failed:
            confirmed = False
        if not confirmed:
            self._rotation(cluster).out(move.node, mark=mark, minimum=0, timeout=self._timeout)
        return cluster
