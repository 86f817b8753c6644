"""Node replacement: replace the instance of one node (`denodo-ha replace`).

The new instance has the node's name, zone, ports and pin, and the next generation: a number in the
pins file, which becomes part of the instance's logical id. Target groups, outputs, addresses and
records refer to the instance, and CloudFormation updates them in place.

A run may be killed at any step. The next run recognises the step by these records:

- The pin's generation is higher than the deployed generation: the new instance was not deployed
  yet.
- The pin has the key `replacing`: the new instance does not have the drain tag yet. The key
  contains the tag, because the tag of the old instance is lost with that instance.
- The instance has a drain tag with this operation and the deployed generation: the node was not
  brought back yet.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from denodo_ha.cli.errors import Failed, Refused, UsageError
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.instances import Instance, read_instance
from denodo_ha.deployed.lost_nodes import lost_state, remedy
from denodo_ha.deployed.node_pins import deployed_pins
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.pins import NEWEST_FIRST_BOOT
from denodo_ha.rollout.machine_rollout import Deployer, MachineRollout
from denodo_ha.rollout.machine_tasks import MachineTask
from denodo_ha.rollout.node_sequence import OUT
from denodo_ha.rollout.node_task import NodeTask, read_conditions

WHY: Final = "denodo-ha replace"
_COMMAND: Final = "denodo-ha "
"""Beginning of the reason in the drain tags of commands, such as `roll`, that later enable the node
themselves."""
_STOPPED: Final = frozenset({"stopping", "stopped"})


class NodeReplacement(MachineRollout):
    """Replaces the instance of one node of a cluster.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
        file: the configuration file.
        cdk: synthesises and deploys.
        minimum: the number of other nodes that must be healthy when a running node is taken out;
            None: all of them.
        without_license_manager: True to replace the node even if the License Manager does not
            answer.
        even_if_running: True to replace an instance that still exists.
        instance_type: the type of the new instance; None: the type of the pin.
    """

    continuation = ". After that, commit the pins file; no other step remains"

    def __init__(
        self,
        context: OperationContext,
        *,
        file: Path,
        cdk: Deployer,
        minimum: int | None = None,
        without_license_manager: bool = False,
        even_if_running: bool = False,
        instance_type: str | None = None,
    ) -> None:
        super().__init__(
            context,
            file=file,
            cdk=cdk,
            minimum=minimum,
            without_license_manager=without_license_manager,
        )
        self._even_if_running, self._instance_type = even_if_running, instance_type

    def planned(self, node: str) -> MachineTask:
        """Return the task that `replace_node` would carry out now.

        Raises:
            Refused: The instance still exists, was not created by the stack, or has no pin.
            UsageError: There is no such node.
        """
        cluster = read_cluster(self._aws, self._location)
        self._require_no_deploy(cluster)
        return self._task(load(self._file), cluster, node)

    def replace_node(self, node: str) -> str:
        """Replace the instance of a node, and return a text that says what was done.

        Raises:
            Refused: The instance still exists, too few nodes would serve, the deploy would change
                other nodes, or another operation holds the lock. Nothing was changed.
            Failed: The deploy failed, or the node did not become ready. The message says which
                state remains.
            UsageError: There is no such node.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The operation was interrupted. The message says which state remains.
        """
        with self._sequence(f"{WHY} {node}") as lock:
            loaded = load(self._file)
            with OUT.stage(self._timeout):
                lock.prove()
                cluster = read_cluster(self._aws, self._location)
                self._require_no_deploy(cluster)
                task = self._task(loaded, cluster, node)
            self._progress.say(f"{node}: {task}")
            self._note(node, before=str(task))
            return self._replace(loaded, cluster, task)

    def _replace(self, loaded: Loaded, cluster: Cluster, task: MachineTask) -> str:
        node, tag = task.node, self._tag(task)
        if task.differences:
            cluster = self._change_machine(loaded, cluster, task, tag)
        elif task.goal.replacing is not None:
            with OUT.stage(self._timeout):
                cluster = self._keep_out(node, tag)
        else:
            # The pins file may contain an earlier generation, if the interrupted run changed the
            # pins file of another machine.
            self._write_pin(node, task.goal)
        instance_id = cluster.node(node).instance_id
        made = f"the instance of {node} is {instance_id} now, generation {task.goal.generation}"
        if not _is_own(tag):
            self._complete(node, after=f"{made}; drained {tag}")
            enable = full_command("enable", node, cluster=cluster.name)
            return (
                f"{made}. {node} stays out of service, because it was drained before the "
                f"replacement, {tag}. `{enable}` brings the node back"
            )
        self._bring_back(cluster, node)
        self._complete(node, after=f"{made}, in service")
        return f"{made}, and {node} is back in service"

    def _tag(self, task: MachineTask) -> DrainTag:
        """Return the drain tag of the new instance.

        A node that an operator has drained stays drained. Tags of other commands, and of earlier
        generations, do not pass to the new instance.
        """
        why, recorded = _why(task.goal.generation), task.goal.replacing
        tag = task.tag if recorded is None else DrainTag.from_tags({names.DRAINED_TAG: recorded})
        if tag is not None and (tag.why == why or not tag.why.startswith(_COMMAND)):
            return tag
        return DrainTag.now(self._clock, why=why)

    def _keep_out(self, node: str, tag: DrainTag) -> Cluster:
        if _is_own(tag):
            cluster = super()._keep_out(node, tag)
        else:
            cluster = read_cluster(self._aws, self._location)
            self._rotation(cluster).out(node, tag=tag, minimum=0, timeout=self._timeout)
        pin = load(self._file).pins.of(self._location.name, node)
        if pin is not None:
            self._write_pin(node, pin.model_copy(update={"replacing": None}))
        return cluster

    def _task(self, loaded: Loaded, cluster: Cluster, node: str) -> MachineTask:
        """Return a task with what the replacement of the node has still to do."""
        instance = self._require_replaceable(loaded, cluster, node)
        pin = loaded.pins.of(cluster.name, node)
        if pin is None:
            pin_nodes = full_command("pin", cluster=cluster.name)
            message = (
                f"{node} of {cluster.name} has no pin. Nothing was changed. Write the pins of the "
                f"nodes with `{pin_nodes}` first"
            )
            raise Refused(message)
        runs = deployed_pins(cluster)[node].with_records_of(pin)
        state = lost_state(cluster.node(node), instance)
        tag = DrainTag.from_tags(instance.tags) if instance is not None else None
        condition = replace(read_conditions(self._aws, cluster)[node], tag=tag, lost=bool(state))
        begun = pin.generation > runs.generation
        if not begun and not state:
            is_new = pin.replacing is not None or _has_reason(tag, runs.generation)
            if is_new and instance is not None and instance.state not in _STOPPED:
                return NodeTask(node, runs, (), condition, WHY)
            was_taken_out = _has_reason(tag, runs.generation + 1)
            if is_new or not (self._even_if_running or was_taken_out):
                raise self._still_exists(node, instance, is_new=is_new)
        goal = pin if begun else runs.model_copy(update={"generation": runs.generation + 1})
        goal = goal.model_copy(
            update={"first_boot": NEWEST_FIRST_BOOT, "type": self._instance_type or goal.type}
        )
        differences = [f"generation {runs.generation} -> {goal.generation}"]
        if goal.type != runs.type:
            differences.append(f"type {runs.type} -> {goal.type}")
        if state:
            differences.insert(0, f"its instance {cluster.node(node).instance_id} is {state}")
        task = NodeTask(node, goal, tuple(differences), condition, WHY, half_moved=begun)
        return replace(task, goal=goal.model_copy(update={"replacing": self._tag(task).text}))

    def _require_replaceable(self, loaded: Loaded, cluster: Cluster, node: str) -> Instance | None:
        """Check that the stack created a node's instance; return it, None if EC2 does not list it.

        Raises:
            Refused: The stack did not create the instance.
            UsageError: There is no such node.
        """
        deployed = cluster.node(node)
        settings = loaded.environment.clusters[cluster.name].nodes.get(node)
        if deployed.logical_id is None:
            message = (
                f"{node} is an adopted instance, {deployed.instance_id}, which the stack did not "
                "create and cannot replace. Nothing was changed. To give the node another "
                f"instance, {remedy(cluster.name, deployed)}"
            )
            raise Refused(message)
        if settings is None or settings.instance_id is not None:
            message = (
                f"{self._file} has no clusters.{cluster.name}.nodes.{node} that the stack creates, "
                "so the next deploy removes this node. Nothing was changed"
            )
            raise UsageError(message)
        return read_instance(self._aws, self._location.region, deployed.instance_id, self._clock)

    def _still_exists(self, node: str, instance: Instance | None, *, is_new: bool) -> Refused:
        """Return the error that refuses to replace a node whose instance still exists."""
        if instance is None:
            message = (
                f"{self._location.stack} has no instance of {node}. Nothing was changed. The "
                "stack's events show why; repair the stack first"
            )
            return Refused(message)
        start = (
            f" To start the instance, run `aws ec2 start-instances --region "
            f"{self._location.region} --instance-ids {instance.id}`."
        )
        options = [] if self._instance_type is None else ["--type", self._instance_type]
        if not is_new:
            options.append("--even-if-running")
        replace_node = f"`{full_command('replace', node, *options, cluster=self._location.name)}`"
        anyway = f"terminate it, and then run {replace_node}" if is_new else f"run {replace_node}"
        message = (
            f"{node} is not lost: its instance {instance.id} is {instance.state}. Nothing was "
            f"changed.{start if instance.state in _STOPPED else ''} To replace the instance "
            f"nevertheless, {anyway}; the disks of the instance are then deleted"
        )
        return Refused(message)

    def _other_type(self, node: str) -> str:
        command = full_command("replace", node, "--type", "TYPE", cluster=self._location.name)
        return f"`{command}`"

    def _restore_node(self, cluster: Cluster, task: MachineTask, message: str) -> NoReturn:
        """Raise the deploy's error; bring the node back if it was healthy before the operation."""
        node = task.node
        if task.condition.lost:
            message = f"{message}; {node} is still lost. The other nodes are unchanged"
            raise Failed(message)
        if task.condition.unhealthy:
            self._start_servers(cluster, node)
            enable = full_command("enable", node, cluster=cluster.name)
            message = (
                f"{message}. {node} was not healthy before, and stays out of service, drained "
                f"{self._tag(task)}. `{enable}` brings the node back. The other nodes are unchanged"
            )
            raise Failed(message)
        self._return(cluster, node, message)


def _why(generation: int) -> str:
    """Return the reason in a node's drain tag until the instance of a generation is in service."""
    return f"{WHY}, generation {generation}"


def _has_reason(tag: DrainTag | None, generation: int) -> bool:
    return tag is not None and tag.why == _why(generation)


def _is_own(tag: DrainTag) -> bool:
    return tag.why.startswith(f"{WHY}, ")
