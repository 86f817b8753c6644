"""Concurrent calls, limited in number."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Final, TypeVar

from denodo_ha.cli.errors import CommandError, NotFound, Unreachable

WORKERS: Final = 8
"""Project default: number of concurrent calls; AWS throttles each account and region."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_concurrently(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = WORKERS
) -> list[Result]:
    """Call a function for each item, and return the results in the items' order.

    The first error cancels the calls that have not begun, and is raised. Ctrl-C also cancels them,
    and the function does not wait for running calls. The caller's deadline applies in every call.

    Args:
        function: the function; it must be safe to call from several threads.
        items: the items, one for each call.
        workers: maximum number of concurrent calls.
    """
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        tasks = [begin(pool, function, item) for item in items]
        return [task.result() for task in tasks]
    except BaseException:  # also on Ctrl-C: cancel the calls that have not begun
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)


def begin(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], item: Item
) -> Future[Result]:
    """Start a call of a function in a pool; the caller's deadline applies in the call."""
    return pool.submit(copy_context().run, function, item)


def call_in_time(function: Callable[[], Result], seconds: float) -> Result:
    """Call a function in a thread, and abandon the thread after a number of seconds.

    Raises:
        TimeoutError: The function did not end in time.
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        ended.set()

    # A daemon thread, so that an abandoned thread does not keep the process running.
    threading.Thread(target=copy_context().run, args=(call,), daemon=True).start()
    if not ended.wait(max(seconds, 0)):
        message = f"no answer within {seconds:.1f} s"
        raise TimeoutError(message)
    if errors:
        raise errors[0]
    return results[0]


def first_answer(function: Callable[[Item], Result], items: Sequence[Item]) -> Result:
    """Call a function for all items in parallel, and return the first successful result.

    Raises:
        CommandError: Every call failed; `NotFound` only if every call raised `NotFound`.
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
    """Return the rank of an error, from 0 to 2.

    If all calls fail, the first error with the lowest rank is raised.
    """
    return 2 if isinstance(error, NotFound) else int(isinstance(error, Unreachable))
