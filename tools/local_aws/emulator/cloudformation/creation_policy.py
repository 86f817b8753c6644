"""Creation signals: a resource with a CreationPolicy is complete once it has signalled success.

By default, the local AWS sends a success signal at once for each instance that runs no programs. In
the mode `manual`, a test must call `SignalResource`, as the node program does on AWS. While the
part `nodes` is on, the programs of nodes send the signals.
"""

from collections.abc import Callable
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import InvalidRequestError
from tools.local_aws.emulator.machines import MACHINES
from tools.local_aws.emulator.ministack import private

_KINDS = ("AWS::EC2::Instance", "AWS::AutoScaling::AutoScalingGroup")
MODES = ("automatic", "manual")
_wait_conditions = ministack.wait_conditions


class Mode:
    """Mode of creation signals: `automatic` sends a success signal at once, `manual` sends none.

    Attributes:
        name: one of `MODES`.
    """

    name = MODES[0]

    def set(self, name: str) -> None:
        """Set the mode."""
        if name not in MODES:
            message = f"the mode of signals is {' or '.join(MODES)}, not {name}"
            raise InvalidRequestError(message)
        self.name = name


MODE = Mode()


def _resource_signal(stack: str, logical_id: str) -> dict[str, Any] | None:
    """Return the `ResourceSignal` that the stack's running operation sets for a resource."""
    definition = private(ministack.provisioners, "_cfn_wait_condition_definition")
    policy = definition(stack, logical_id).get("CreationPolicy") or {}
    signal: dict[str, Any] | None = policy.get("ResourceSignal")
    return signal


def _waiting_create(kind: str, handler: dict[str, Any]) -> Callable[[str, Properties, str], Made]:
    create, delete = handler["create"], handler["delete"]

    def create_and_wait(logical_id: str, properties: Properties, stack: str) -> Made:
        made: Made = create(logical_id, properties, stack)
        signal = _resource_signal(stack, logical_id)
        if signal is not None:
            try:
                # Wait for programs only on single instances. An Auto Scaling group of HAProxy
                # instances signals once HAProxy sees a node, but the local AWS creates the nodes
                # after the group.
                image = str(properties.get("ImageId", ""))
                runs = kind == _KINDS[0] and MACHINES.runs_programs(image)
                _wait(kind, stack, logical_id, signal, runs=runs)
            except Exception:  # The exception is raised again, so that the stack fails.
                # A rollback does not delete a resource whose creation failed, so delete it here.
                delete(made[0], properties)
                raise
        return made

    return create_and_wait


def _wait(kind: str, stack: str, logical_id: str, signal: dict[str, Any], *, runs: bool) -> None:
    count = _wait_conditions.validate_count(signal.get("Count"), logical_id)
    timeout = _wait_conditions.validate_resource_signal_timeout(signal.get("Timeout"), logical_id)
    stack_id = ministack.all_stacks[stack]["StackId"]
    token = _wait_conditions.register_slot(stack_id)
    # Programs on machines take real time, so their limit is not shortened by the pace.
    limit = timeout if runs else CLOCK.real(timeout)
    if MODE.name == "automatic" and not runs:
        for number in range(count):
            success = {"Status": "SUCCESS", "UniqueId": f"local-{number}"}
            _wait_conditions.deliver_signal(token, success)
    try:
        _wait_conditions.wait_for(token, stack_id, stack, logical_id, kind, count, limit)
    except TimeoutError:
        message = f"Failed to receive {count} resource signal(s) within the specified duration"
        raise TimeoutError(message) from None
    except RuntimeError as error:
        message = f"Received 1 FAILURE signal(s) out of {count}. {error}"
        raise RuntimeError(message) from None


def release() -> None:
    """End all waits for signals, so that the server can stop."""
    _wait_conditions.reset()


def install() -> None:
    """Create instances and Auto Scaling groups on a worker thread, which can wait for signals."""
    blocking = private(ministack.lifecycle, "_runs_on_worker_thread")
    ministack.replace(
        ministack.lifecycle,
        "_runs_on_worker_thread",
        lambda kind: kind in _KINDS or blocking(kind),
    )
    for kind in _KINDS:
        handler = ministack.handlers[kind]
        handler["create"] = _waiting_create(kind, handler)
