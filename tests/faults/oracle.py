"""Oracle of the fault matrix: finds false statements of commands, and forbidden states."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from denodo_ha.cli import exit_codes
from tests.faults.site import Done, State
from tests.support.servers.fault_proxy import Call, Fault

CODES: Final = frozenset(
    {
        *(exit_codes.DONE, exit_codes.NO, exit_codes.USAGE, exit_codes.REFUSED),
        *(exit_codes.FAILED, exit_codes.DOWN, exit_codes.AWS, exit_codes.INTERRUPTED),
    }
)
_FAULTY: Final = ("Traceback", "internal error", "fault of denodo-ha")
_UNCHANGED = re.compile(r"\bnothing was changed", re.IGNORECASE)
_WITHHOLDS: Final = frozenset(Fault) - {Fault.STALE, Fault.PAGED, Fault.INTERRUPTED}


@dataclass(frozen=True)
class Run:
    """A run of a command, with the environment's state before and after the run.

    Attributes:
        arguments: the command with its arguments.
        done: the command's exit code and output.
        before: the state before the run.
        after: the state after the run.
        arrived: the calls that AWS has received.
        disturbed: the calls to which a fault was applied.
        wrong: forbidden actions of the nodes' agents.
        fault: the kind of fault if it applied to all calls of an operation, else None.
    """

    arguments: tuple[str, ...]
    done: Done
    before: State
    after: State
    arrived: tuple[Call, ...]
    disturbed: tuple[Call, ...]
    wrong: tuple[str, ...]
    fault: Fault | None

    @property
    def put(self) -> bool:
        """Return whether AWS has received a datapoint of the switch."""
        # Commands other than `failover` put datapoints that silence alarms, and no datapoints of
        # the switch.
        is_failover = self.arguments[0] == "failover"
        return is_failover and any(call.operation == "PutMetricData" for call in self.arrived)


def violations(run: Run) -> Iterator[str]:
    """Yield each false statement of a run, and each forbidden state that the run has left."""
    text = run.done.text
    yield from (f"it ends in {word!r}" for word in _FAULTY if word in text)
    if run.done.code not in CODES:
        yield f"it ends with {run.done.code}"
    for (cluster, node), state in run.after.nodes.items():
        if state.missing and state.tag is None:
            yield f"{cluster} {node} is out of {sorted(state.missing)} without a drain tag"
    for cluster, holder in run.after.locks.items():
        if "--take-over" not in text:
            yield f"the lock of {cluster} ({holder}) remains without a word"
    yield from run.wrong
    changed = run.before != run.after or run.put
    if changed and _UNCHANGED.search(text):
        yield "it says that nothing was changed"
    if "is as before" in text and run.before.nodes != run.after.nodes:
        yield "it says that the node is as before"
    yield from {
        "drain": _of_drain,
        "enable": _of_enable,
        "failover": _of_failover,
        "pause": _of_pause,
        "resume": _of_resume,
        "status": _of_status,
        "roll": _of_machines,
        "rollout": _of_machines,
        "replace": _of_machines,
        "shift": _of_shift,
    }.get(run.arguments[0], lambda _: iter(()))(run)


def _of_drain(run: Run) -> Iterator[str]:
    state = run.after.of("active", "node1")
    if run.done.code == exit_codes.DONE and "--dry-run" not in run.arguments:
        if not state.out or state.tag is None:
            yield f"it says that the node is drained: {state}"
        if run.after.facts["node1 of active rests"] != "held" and "warning: " not in run.done.text:
            yield "the watchdog of the drained node does not rest, and nothing says so"
    elif run.before.nodes != run.after.nodes and "denodo-ha enable node1" not in run.done.text:
        yield f"it leaves the node changed without a word: {state}"
    elif "--dry-run" in run.arguments and run.before.nodes != run.after.nodes:
        yield "a dry run has changed a node"


def _of_enable(run: Run) -> Iterator[str]:
    state = run.after.of("active", "node1")
    if run.done.code == exit_codes.DONE and (state.missing or state.tag is not None):
        yield f"it says that the node is back: {state}"
    rests = run.after.facts["node1 of active rests"]
    if run.done.code == exit_codes.DONE and rests and "warning: " not in run.done.text:
        yield "the watchdog of the enabled node rests, and nothing says so"


def _of_pause(run: Run) -> Iterator[str]:
    facts, text = run.after.facts, run.done.text
    resting = {key for key in facts if key.endswith("of active rests") and "paused" in facts[key]}
    if (facts["pause"] or resting) and "denodo-ha resume active" not in text:
        yield "it leaves the cluster paused without a word"
    if run.done.code == exit_codes.DONE and not (facts["pause"] and resting):
        yield f"it says that the cluster is paused: {facts['pause']!r}, {sorted(resting)}"


def _of_resume(run: Run) -> Iterator[str]:
    if run.done.code == exit_codes.DONE:
        if run.after.facts["pause"]:
            yield "it says that the cluster is not paused"
        resting = [key for key, why in run.after.facts.items() if key.endswith(" rests") and why]
        if resting and "warning: " not in run.done.text:
            yield f"it leaves nodes paused without a word: {resting}"


def _of_machines(run: Run) -> Iterator[str]:
    """Yield the false statements of a command that changes one node after another."""
    state, facts = run.after.of("active", "node1"), run.after.facts
    changed = {key for key in facts if facts[key] != run.before.facts[key]}
    if "--dry-run" in run.arguments:
        if changed or run.before.nodes != run.after.nodes:
            yield f"a dry run has changed {sorted(changed)}, {state}"
    elif run.done.code == exit_codes.DONE:
        if not changed:
            yield "it says that it is done, and has changed nothing"
        if facts["node1 of active runs"] != "its desired state":
            yield f"it says that it is done, and node1 runs {facts['node1 of active runs']}"
        if state.missing or state.tag is not None:
            yield f"it says that the node is back: {state}"
    elif (changed or run.before.nodes != run.after.nodes) and "node1" not in run.done.text:
        yield f"it leaves node1 changed without a word: {sorted(changed)}, {state}"


def _of_shift(run: Run) -> Iterator[str]:
    acts = run.arguments[1] == "--back" or run.arguments[1].startswith("eu-")
    if not acts or not {"StartZonalShift", "CancelZonalShift"} & {c.operation for c in run.arrived}:
        return
    active, wanted = bool(run.after.facts.get("shifts")), run.arguments[1] != "--back"
    if run.done.code == exit_codes.DONE and active != wanted:
        yield f"it says that it is done, and the shifts are {run.after.facts.get('shifts')!r}"
    before = "--back" in run.arguments
    if run.done.code != exit_codes.DONE and active != before and "may" not in run.done.text:
        yield "it does not say that the call may have taken effect"


def _of_failover(run: Run) -> Iterator[str]:
    text = run.done.text
    if run.arguments[1] == "status":
        return
    if run.put and "--dry-run" in run.arguments:
        yield "a dry run has thrown the switch"
    if run.put and "was not thrown" in text:
        yield "it says that the switch was not thrown"
    put_lines = [line for line in text.splitlines() if line.startswith("put ")]
    says_thrown = "and remains set" in text or bool(put_lines)
    if says_thrown and not run.put:
        yield "it says that the switch is thrown"
    puts = sum(call.operation == "PutMetricData" for call in run.arrived)
    if run.arguments[1] == "practice" and puts == 1 and "denodo-ha failover back" not in text:
        yield "it has moved the site, and neither failed back nor says how"
    moves = run.arguments[1] in {"to", "from"} and "--dry-run" not in run.arguments
    if run.done.code == exit_codes.DONE and not run.put and moves:
        yield "it ends with 0, and the switch was not thrown"


def _of_status(run: Run) -> Iterator[str]:
    # `status` may report a healthy cluster without the answers to these calls. An alarm's state
    # only explains the state of a health check, which `status` reads separately, and a pause does
    # not change the state of a cluster.
    details = {"GetCallerIdentity", "DescribeAlarms", "TestDNSAnswer", "GetParameter"}
    withheld = {call.operation for call in run.disturbed} - details
    if run.fault in _WITHHOLDS and withheld and run.done.code == exit_codes.DONE:
        yield f"it is healthy without {', '.join(sorted(withheld))}"
