"""Machine rollout: move nodes to the configured machine (image, type, disks), one at a time.

For each node, `denodo-ha rollout` synthesises the configuration with the node's new pin, and checks
that the deploy changes no other node. Then it takes the node out of service, stops Denodo, writes
the new pin, deploys the stack, and brings the node back when the node is ready, its metadata is
confirmed and its targets are healthy. If the deploy fails, the pin and the node are restored. Work
that a killed run has not finished is recognised by drain tag, pin and deployed template, and is
completed first.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn, Protocol

from denodo_ha.aws import deadline
from denodo_ha.aws.cloud_assembly import read_templates
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AwsError, CommandError, Failed, Refused
from denodo_ha.cli.time_limit import CHANGE_S
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.desired_state import read_desired_state
from denodo_ha.deployed.node_pins import deployed_pins
from denodo_ha.deployed.rotation import drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.deployed.rotation.target_group_rotation import shared_groups
from denodo_ha.environment.facts.limits import STOP_LIMIT_DEFAULT_S
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.plan import node_changes
from denodo_ha.rollout import instance_shutdown
from denodo_ha.rollout import pins_file as pins_text
from denodo_ha.rollout.capacity_shortage import capacity_shortage
from denodo_ha.rollout.instance_shutdown import Snapshots
from denodo_ha.rollout.machine_tasks import WHY, MachineTask, machine_tasks
from denodo_ha.rollout.node_sequence import OUT, NodeSequence

_READY_PATH: Final = "/ready/"


class Deployer(Protocol):
    """Interface for synthesis and deployment; `denodo_ha.aws.cdk_cli.Cdk` implements it."""

    def synth(self, config: Path, out: Path) -> None:
        """Synthesise a configuration into a folder."""

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        """Deploy one stack from the output folder of `synth`; raise `Failed` on failure."""


class MachineRollout(NodeSequence):
    """Replaces or changes the machines of one cluster.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
        file: the configuration file.
        cdk: synthesises and deploys.
        minimum: the number of other nodes that must be healthy; None: all of them.
        snapshot: create a snapshot of a node's root volume before the deploy.
        without_license_manager: True to take nodes out even if the License Manager does not answer.
    """

    def __init__(
        self,
        context: OperationContext,
        *,
        file: Path,
        cdk: Deployer,
        minimum: int | None = None,
        snapshot: bool = False,
        without_license_manager: bool = False,
    ) -> None:
        super().__init__(context, minimum=minimum, without_license_manager=without_license_manager)
        self._file, self._cdk, self._snapshot = file, cdk, snapshot

    def plan(self) -> list[MachineTask]:
        """Return one task for each node, in execution order.

        Raises:
            Refused: Some nodes have no pin, are lost, or are being replaced.
        """
        loaded, cluster = load(self._file), read_cluster(self._aws, self._location)
        self._require_instances(cluster)
        return machine_tasks(self._aws, loaded, cluster)

    def roll_out(self) -> list[str]:
        """Move nodes to the configured machine, and return the moved nodes.

        Raises:
            Refused: Too few nodes would serve, a deploy would change other nodes, or another
                operation holds the lock.
            Failed: A deploy failed, or a node did not become ready. The message says which state
                remains.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The operation was interrupted. The message says which state remains.
        """
        with self._sequence(WHY) as lock:
            for node in [task.node for task in self.plan() if task.due]:
                self._move(node, lock)
        return self._completed

    def _move(self, node: str, lock: Lock) -> None:
        loaded = load(self._file)
        with OUT.stage(self._timeout):
            lock.prove()
            cluster = read_cluster(self._aws, self._location)
            self._require_no_deploy(cluster)
            self._agent(cluster).require_action("status")
            tasks = machine_tasks(self._aws, loaded, cluster)
        task = next(task for task in tasks if task.node == node)
        self._require_own_tag(task)
        if task.due:
            self._progress.say(f"{node}: {task}")
            self._note(node, before=str(task))
            tag = task.tag or DrainTag.now(self._clock, why=WHY)
            if task.differences:
                cluster = self._change_machine(loaded, cluster, task, tag)
            else:
                # Start the servers: an earlier run may have stopped them before it was killed, and
                # no deploy follows if the configuration was changed back in the meantime.
                self._start_servers(cluster, node)
            self._bring_back(cluster, node)
        self._complete(node)

    def _change_machine(
        self, loaded: Loaded, cluster: Cluster, task: MachineTask, tag: DrainTag
    ) -> Cluster:
        """Take a node out of service, deploy its new pin, and keep the node out of service.

        A node whose instance no longer exists cannot be taken out, and serves no client.
        """
        node = task.node
        with self._synthesised(task) as out:
            effect = self._require_harmless(loaded, cluster, node, out)
            lost = task.condition.lost
            with OUT.stage(self._timeout):
                self._require_license_manager(cluster, node, lost=lost)
            self._silence.begin(cluster)
            if not lost:
                with OUT.stage(self._timeout):
                    if self._snapshot and effect.touches:
                        self._snapshots(cluster).require_permission(node)
                    self._take_out(cluster, node, tag)
                if effect.touches:
                    self._shut_down(cluster, node, tag)
            self._deploy(cluster, task, out)
        with OUT.stage(self._timeout):
            return self._keep_out(node, tag)

    @contextmanager
    def _synthesised(self, task: MachineTask) -> Iterator[Path]:
        """Synthesise a copy of the configuration with one new pin; yield the output folder."""
        with tempfile.TemporaryDirectory(prefix="denodo-ha-") as folder:
            config = Path(folder) / self._file.name
            shutil.copyfile(self._file, config)
            pins_text.write(pins_file(config), self._pins_with(task.node, task.goal))
            self._progress.say(f"{task.node}: synthesising")
            out = Path(folder) / "cdk.out"
            self._cdk.synth(config, out)
            yield out

    def _write_pin(self, node: str, pin: Pin) -> None:
        pins_text.write(pins_file(self._file), self._pins_with(node, pin))

    def _pins_with(self, node: str, pin: Pin) -> str:
        """Return the pins file's text with the pin of one node changed."""
        text = pins_text.read(pins_file(self._file))
        return pins_text.changed(text, {self._location.name: {node: pin}})

    def _require_harmless(self, loaded: Loaded, cluster: Cluster, node: str, out: Path) -> Effect:
        """Check that a deploy changes no other node, and that clients get no unconfirmed metadata.

        Return the effect of the deploy on the node.
        """
        template = read_templates(out).get(cluster.stack.name)
        changes = node_changes.changes(cluster.stack.template, template)
        others = [
            f"{change.node} ({change.effect}: {', '.join(change.why)})"
            for change in changes
            if change.node != node and (change.effect.touches or change.effect is Effect.NEW)
        ]
        if others:
            message = (
                f"the deploy that moves {node} would also touch {', '.join(others)}; "
                f"{self._state_left}. Deploy or undo the change of the other nodes first: "
                f"`{full_command('plan')}` shows the change"
            )
            raise Refused(message)
        effects = {change.node: change.effect for change in changes}
        effect = effects.get(node, Effect.NOTHING)
        if effect is Effect.REPLACEMENT:
            self._require_readiness_checks(loaded, cluster, node)
        return effect

    def _require_readiness_checks(self, loaded: Loaded, cluster: Cluster, node: str) -> None:
        """Check that the node's health checks fail until its metadata is confirmed.

        The deploy registers the new machine before its metadata is confirmed, so only these health
        checks keep clients from the machine until then.
        """
        if loaded.environment.denodo.metadata.source == "catalog":
            return
        blind = [
            group.key
            for group in shared_groups(cluster, node)
            if not (group.health.path or "").startswith(_READY_PATH)
        ]
        if blind:
            message = (
                f"{node} would be replaced, and {', '.join(blind)} would send connections to the "
                "new instance before its metadata is confirmed, because the health check of these "
                f"services is not the readiness check; {self._state_left}. First remove "
                "`health.protocol` from these services, and deploy"
            )
            raise Refused(message)

    def _shut_down(self, cluster: Cluster, node: str, tag: DrainTag) -> None:
        """Stop Denodo on a node that is out of service; with --snapshot, create the snapshot."""
        self._state_left += ", and its Denodo servers may be stopped"
        with deadline.extended(CHANGE_S):
            state = read_desired_state(self._aws, self._context.environment, self._location, node)
        limits = state.get("limits", {}) if state is not None else {}
        seconds = int(self._timeout or limits.get("stop_seconds", STOP_LIMIT_DEFAULT_S))
        with deadline.extended(CHANGE_S + seconds + instance_shutdown.STOP_MARGIN_S):
            why = instance_shutdown.stop_servers(
                self._agent(cluster), node, seconds, self._progress
            )
        if why:
            self._progress.say(
                f"warning: Denodo on {node} was not stopped ({why}); EC2 ends Denodo when it stops "
                "the instance, within a few minutes"
            )
        if not self._snapshot:
            return
        timeout = self._timeout or instance_shutdown.SNAPSHOT_S
        try:
            with deadline.extended(CHANGE_S + timeout):
                snapshots = self._snapshots(cluster)
                id_ = snapshots.create(node, f"{WHY} of {node}, out since {tag.since.isoformat()}")
                snapshots.wait(id_, timeout=timeout, clock=self._clock, progress=self._progress)
        except (Failed, AwsError) as error:
            message = f"{error}. {node} keeps its instance and its pin"
            if isinstance(error, AwsError) and error.may_take_effect:
                message += ", and a snapshot of its root volume may have begun"
            self._return(cluster, node, message)
        self._progress.say(
            f"{node}: {id_} is a snapshot of the node's root volume; delete the snapshot later"
        )

    def _snapshots(self, cluster: Cluster) -> Snapshots:
        return Snapshots(self._aws, self._context.environment, cluster)

    def _start_servers(self, cluster: Cluster, node: str) -> None:
        with deadline.extended(CHANGE_S):
            why = instance_shutdown.start_servers(self._agent(cluster), node)
        if why:
            self._progress.say(
                f"warning: Denodo on {node} was not started ({why}); if Denodo does not run, start "
                "it on the node with `sudo systemctl start denodo-node`"
            )

    def _deploy(self, cluster: Cluster, task: MachineTask, out: Path) -> None:
        self._write_pin(task.node, task.goal)
        self._state_left += (
            "; the node's pin has its new values, and the deploy may continue in CloudFormation"
        )
        self._progress.say(f"{task.node}: deploying {cluster.stack.name}")
        try:
            self._cdk.deploy(out, cluster.stack.name, self._clock)
        except Failed as error:
            self._undo(task, error)

    def _undo(self, task: MachineTask, error: Failed) -> NoReturn:
        """Restore pin and node after a failed deploy that CloudFormation has rolled back."""
        with deadline.extended(CHANGE_S):
            cluster = read_cluster(self._aws, self._location)
        node = task.node
        runs, status = deployed_pins(cluster).get(node), cluster.stack.status
        if cluster.stack.changing or status.endswith("_FAILED") or runs is None:
            message = (
                f"{error}. {cluster.stack.name} is {status}: {node} stays out of the shared target "
                "groups, and its pin keeps the new values. Repair the stack, then run the command "
                "again"
            )
            raise Failed(message) from error
        moved = load(self._file).pins.of(self._location.name, node)
        restored = runs.with_records_of(moved) if moved is not None else runs
        self._write_pin(node, restored.model_copy(update={"replacing": None}))
        with deadline.extended(CHANGE_S):
            reason = capacity_shortage(
                self._aws, cluster, node, task.goal, other_type=self._other_type(node)
            )
        why = reason or "The stack's events show why the deploy failed"
        message = f"{error}. {why}. The pin of {node} was restored"
        self._restore_node(cluster, task, message)

    def _other_type(self, node: str) -> str:
        """Return the configuration key with which an operator chooses another instance type."""
        return f"clusters.{self._location.name}.nodes.{node}.instance.type"

    def _restore_node(self, cluster: Cluster, task: MachineTask, message: str) -> NoReturn:
        """Bring a node back after its deploy was rolled back, and raise `Failed` with a message."""
        self._return(cluster, task.node, message)

    def _return(self, cluster: Cluster, node: str, message: str) -> NoReturn:
        """Bring a node back with the instance that it had, after a step has failed.

        Raises:
            Failed: Always; the text of the error begins with `message`.
        """
        self._start_servers(cluster, node)
        try:
            self._bring_back(cluster, node)
        except CommandError as second:
            message = f"{message}, but {node} does not come back into service: {second}"
            raise Failed(message) from second
        message += f", {node} is back in service, and the other nodes are unchanged"
        raise Failed(message)

    def _keep_out(self, node: str, tag: DrainTag) -> Cluster:
        """Tag a new machine; take it out of service unless its metadata is confirmed.

        The deploy has registered the machine. Until the machine is out of service, its readiness
        check keeps it from getting connections.
        """
        cluster = read_cluster(self._aws, self._location)
        drain_tag.write(self._aws, self._location.region, cluster.node(node).instance_id, tag)
        self._state_left = (
            f"the new machine of {node} is deployed and has a drain tag; {node} is not ready or "
            "not healthy yet"
        )
        try:
            confirmed = self._agent(cluster).status(node).confirmed
        except Failed:
            confirmed = False
        if not confirmed:
            self._rotation(cluster).out(node, tag=tag, minimum=0, timeout=self._timeout)
        return cluster
