"""Concurrent calls, with a bound on their number."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from denodo_ha.aws.clients import WORKERS

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_concurrently(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = WORKERS
) -> list[Result]:
    """Call a function for each item, and return the results in the items' order.

    The first error cancels the calls that have not begun, and is raised. Ctrl-C does the same, and
    does not wait for running calls.

    Args:
        function: the function; it must be safe to call from several threads.
        items: the items.
        workers: calls at the same time.
    """
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        tasks = [pool.submit(function, item) for item in items]
        return [task.result() for task in tasks]
    except BaseException:  # Ctrl-C as well: cancel the calls that have not begun
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)
