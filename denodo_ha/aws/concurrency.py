"""Concurrent calls, with a bound on their number."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Final, TypeVar

from denodo_ha.cli.errors import CommandError, NotFound, Unreachable

WORKERS: Final = 8
"""Ours: calls at the same time; AWS throttles each account and region."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_concurrently(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = WORKERS
) -> list[Result]:
    """Call a function for each item, and return the results in the items' order.

    The first error cancels the calls that have not begun, and is raised. Ctrl-C does the same, and
    does not wait for running calls. The functions have the deadline of the caller.

    Args:
        function: the function; it must be safe to call from several threads.
        items: the items.
        workers: calls at the same time.
    """
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        tasks = [begin(pool, function, item) for item in items]
        return [task.result() for task in tasks]
    except BaseException:  # Ctrl-C as well: cancel the calls that have not begun
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)


def begin(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], item: Item
) -> Future[Result]:
    """Begin to call a function in a pool, with the deadline of the caller."""
    return pool.submit(copy_context().run, function, item)


def first_answer(function: Callable[[Item], Result], items: Sequence[Item]) -> Result:
    """Call a function for every item at once, and return the first result without an error.

    Raises:
        CommandError: Every call failed; `NotFound` only if every call raised it.
    """
    pool = ThreadPoolExecutor(max_workers=len(items))
    try:
        running = {begin(pool, function, item) for item in items}
        errors: list[CommandError] = []
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for task in ended:
                try:
                    return task.result()
                except CommandError as error:
                    errors.append(error)
        raise min(errors, key=_is_weak)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _is_weak(error: CommandError) -> int:
    """Return how little an error of one item says of all."""
    return 2 if isinstance(error, NotFound) else int(isinstance(error, Unreachable))
