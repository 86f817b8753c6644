"""State of the cluster that would take over: its readiness, and the data that a failover loses."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import begin
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AwsError, Refused, UsageError
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.environment.full_command import full_command
from denodo_ha.failover.failover_task import LOOK_S
from denodo_ha.standby import data_loss, report
from denodo_ha.standby.check_line import READY
from denodo_ha.standby.standby_check import READ_S, check_standby
from denodo_ha.standby.standby_facts import Standby


def require_ready_standby(aws: Aws, site: FailoverLocation, role: Role, clock: Clock) -> None:
    """Check that the cluster that would take over is ready.

    Raises:
        UsageError: There is no configuration to compare with.
        Refused: The cluster is not ready, or not known to be ready.
    """
    if site.loaded is None:
        message = (
            "--require-ready compares the cluster with the configuration: add -c CONFIG; nothing "
            "was changed"
        )
        raise UsageError(message)
    standby = Standby(site, site.loaded, role)
    Progress().say(f"checking whether {standby.name} is ready, for at most {READ_S:.0f} s")
    checked = check_standby(aws, standby, clock)
    if checked.verdict != READY:
        check = full_command("failover check", "--for", standby.name)
        message = (
            f"{standby.name} is {report.sentence(checked)}. Nothing was changed. `{check}` shows "
            f"what to do. To fail over although {standby.name} is not ready, leave out "
            "--require-ready"
        )
        raise Refused(message)


def begin_losses(aws: Aws, site: FailoverLocation, role: Role, clock: Clock) -> Callable[[], str]:
    """Begin to read which data the failover loses; return a function that waits for the text.

    The returned function waits at most until `LOOK_S` after the call of `begin_losses`.
    """
    if site.loaded is None:
        return lambda: "it is not known which data the failover loses: add -c CONFIG"
    standby, pool = Standby(site, site.loaded, role), ThreadPoolExecutor(max_workers=1)
    with deadline.limited(LOOK_S):
        reading = begin(pool, lambda _: data_loss.read_losses(aws, standby), None)
        left = deadline.left(LOOK_S)
    pool.shutdown(wait=False)
    ends = time.monotonic() + left

    def lost() -> str:
        try:
            losses = reading.result(timeout=max(ends - time.monotonic(), 0))
        except TimeoutError:
            return "it is not known which data the failover loses: AWS did not answer in time"
        except AwsError as error:
            return f"it is not known which data the failover loses: {error}"
        return data_loss.sentence(standby, losses, clock.now())

    return lost
