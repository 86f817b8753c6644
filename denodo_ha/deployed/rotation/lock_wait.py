"""Waiting for one's turn to change the nodes of a cluster."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import LIFE_S, Lock
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment import names

EVERY_S: Final = 5
PATIENCE_S: Final = LIFE_S + 15
"""Ours: as long as the lock of a command that was killed stands, and a little more."""


@contextmanager
def turn(
    aws: Aws,
    environment: str,
    place: StackLocation,
    *,
    what: str,
    clock: Clock,
    progress: Progress,
    patience: float = PATIENCE_S,
    take_over: bool = False,
) -> Iterator[Lock]:
    """Hold the lock of a cluster, after waiting for whoever holds it.

    Prove it before what must not happen twice: who was suspended for minutes has lost it.

    Args:
        aws: the credentials.
        environment: the environment's name.
        place: the cluster.
        what: what is done, for whoever waits.
        clock: the time.
        progress: who is told.
        patience: seconds to wait.
        take_over: take it from whoever holds it.

    Raises:
        Refused: somebody else still holds it; nothing was changed.
        AwsError: AWS does not answer, or does not permit.
    """
    name = names.lock_parameter(environment, place.name)
    begin, said = clock.monotonic(), ""
    with ExitStack() as held:
        while True:
            lock = Lock(aws, place.region, name, clock=clock, what=what)
            try:
                held.enter_context(lock.held(take_over=take_over))
                break
            except Refused as refused:
                left = patience - (clock.monotonic() - begin)
                if left <= 0:
                    raise
                if str(refused) != said:
                    said = str(refused)
                    progress.say(f"waiting: {said}")
                clock.sleep(min(EVERY_S, left))
        yield lock
