"""Do the same for many things at once, with a bound."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from denodo_ha.aws.clients import WORKERS

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_concurrently(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = WORKERS
) -> list[Result]:
    """What a function gives for each item, in the items' order.

    The first error stops what has not begun, and is raised. Ctrl-C does the same, without waiting
    for what is under way.

    Args:
        function: what to do; it must not change anything that others use.
        items: what to do it with.
        workers: how many are done at once.
    """
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        tasks = [pool.submit(function, item) for item in items]
        return [task.result() for task in tasks]
    except BaseException:  # Ctrl-C too: what has not begun never does
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)
