"""Creation signals: what has a CreationPolicy is made when it has said that it is ready.

Instances here run nothing, so by default each says so at once. In the mode `manual` nobody
speaks for them: `SignalResource` has to be called, as a node's own program does.
"""

from collections.abc import Callable
from typing import Any

from tools.local_aws.emulator import emulator
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.emulator import private
from tools.local_aws.emulator.faults import MalformedError
from tools.local_aws.emulator.types import Made, Properties

_KINDS = ("AWS::EC2::Instance", "AWS::AutoScaling::AutoScalingGroup")
MODES = ("automatic", "manual")
_signals = emulator.wait_conditions


class Mode:
    """Who sends the signals.

    Attributes:
        name: one of `MODES`.
    """

    name = MODES[0]

    def set(self, name: str) -> None:
        """Choose a mode."""
        if name not in MODES:
            message = f"signals are {' or '.join(MODES)}, not {name}"
            raise MalformedError(message)
        self.name = name


MODE = Mode()


def _policy(stack: str, logical_id: str) -> dict[str, Any] | None:
    """What a resource of the running operation waits for."""
    definition = private(emulator.provisioners, "_cfn_wait_condition_definition")
    policy = definition(stack, logical_id).get("CreationPolicy") or {}
    signal: dict[str, Any] | None = policy.get("ResourceSignal")
    return signal


def _waiting(kind: str, handler: dict[str, Any]) -> Callable[[str, Properties, str], Made]:
    create, delete = handler["create"], handler["delete"]

    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        made: Made = create(logical_id, properties, stack)
        signal = _policy(stack, logical_id)
        if signal is not None:
            try:
                _wait(kind, stack, logical_id, signal)
            except Exception:  # whatever it is, it goes on to the stack
                # The stack knows nothing of what was not created.
                delete(made[0], properties)
                raise
        return made

    return created


def _wait(kind: str, stack: str, logical_id: str, signal: dict[str, Any]) -> None:
    count = _signals.validate_count(signal.get("Count"), logical_id)
    seconds = _signals.validate_resource_signal_timeout(signal.get("Timeout"), logical_id)
    stack_id = emulator.all_stacks[stack]["StackId"]
    token = _signals.register_slot(stack_id)
    if MODE.name == "automatic":
        for number in range(count):
            _signals.deliver_signal(token, {"Status": "SUCCESS", "UniqueId": f"local-{number}"})
    try:
        _signals.wait_for(token, stack_id, stack, logical_id, kind, count, CLOCK.real(seconds))
    except TimeoutError:
        message = f"Failed to receive {count} resource signal(s) within the specified duration"
        raise TimeoutError(message) from None
    except RuntimeError as failed:
        message = f"Received 1 FAILURE signal(s) out of {count}. {failed}"
        raise RuntimeError(message) from None


def release() -> None:
    """Let everyone who waits go, so that the server can stop."""
    _signals.reset()


def install() -> None:
    """Have them created on a thread, where they can wait."""
    blocking = private(emulator.lifecycle, "_runs_on_worker_thread")
    emulator.replace(
        emulator.lifecycle,
        "_runs_on_worker_thread",
        lambda kind: kind in _KINDS or blocking(kind),
    )
    for kind in _KINDS:
        handler = emulator.handlers[kind]
        handler["create"] = _waiting(kind, handler)
