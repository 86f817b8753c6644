"""The process in which a program runs: its signals, standard streams and exit code.

The exit code depends only on the command's result, not on whether the output reaches a reader: if a
stream is closed, a pipe has no reader or a disk is full, the output is discarded, and `run` reports
the loss. This module imports only modules that load quickly, so that a signal during the program's
other imports already ends the program with the exit code for a signal.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from denodo_ha.cli import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable

_LOADED: Final = time.monotonic()
"""Time at which the process started: this module is the first that the program imports."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDOUT: Final = 1
_STDERR: Final = 2
_started: float | None = None
_interrupted = False
_state_left = "the last messages say what was changed"


class Stream(io.FileIO):
    """A standard stream that stores the first error of a write instead of raising the error.

    Attributes:
        error: the first error of a write, after which nothing more is written; None without an
            error.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write data; after a failed write, discard all data."""
        size = memoryview(data).nbytes
        while self.error is None:
            try:
                # The result is None if the stream is full and non-blocking; a child process such as
                # the CDK CLI may have made the stream non-blocking.
                if (written := super().write(data)) is not None:
                    return written
                select.select([], [self], [])
            except OSError as error:
                self.error = error
        return size


def run(load: Callable[[], Callable[[], object]]) -> NoReturn:
    """Import and run a program, and end the process with the program's exit code.

    Args:
        load: imports the program, and returns a function that runs it and that handles its own
            errors. A signal during the import ends the process at once.
    """
    global _started  # noqa: PLW0603 - a process has one start
    _started = _LOADED
    _handle_signals(_end)
    _open_streams()
    try:
        program = load()
        # After the import, a signal has the effect of Ctrl-C: the command undoes its steps, or
        # reports the state that it leaves behind.
        _handle_signals(_interrupt)
        program()
        code = exit_codes.DONE
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else exit_codes.DONE
    except KeyboardInterrupt:
        code = _report("interrupted", exit_codes.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - an error outside a command is a message, too
        code = _report(f"internal error: {type(error).__name__}: {error}", exit_codes.FAILED)
    _handle_signals(_end)
    sys.stdout.flush()
    if (lost := stdout_error()) is not None and lost.errno != errno.EPIPE:
        _report(f"the output is incomplete: {lost.strerror}", code)
    sys.stderr.flush()
    if code == exit_codes.INTERRUPTED or threading.active_count() > 1:
        # Unlike `sys.exit`, this does not wait for threads that still wait for AWS.
        os._exit(code)
    sys.exit(code)


def age() -> float:
    """Return the seconds since the start of the process; 0 if `run` did not start the program."""
    return 0.0 if _started is None else time.monotonic() - _started


def stdout_error() -> OSError | None:
    """Return the error that caused the loss of output on stdout, None without an error."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, Stream) else None


def _report(message: str, code: int) -> int:
    # This module does not use `printable`: the package of `printable` is slow to import, and its
    # import may have failed.
    sys.stderr.write(f"denodo-ha: {message.encode('unicode_escape').decode()}\n")
    return code


def _open_streams() -> None:
    """Replace stdout and stderr by streams whose writes do not fail."""
    # If the caller has closed a standard stream, the next file or connection would get the stream's
    # descriptor, and messages would be written to that file or connection. So open /dev/null for
    # closed streams.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - `set_inheritable` takes no keyword
    os.close(descriptor)
    sys.stdout = _text_stream(_STDOUT, sys.stdout)
    sys.stderr = _text_stream(_STDERR, sys.stderr)


def _text_stream(descriptor: int, current: TextIO | None) -> TextIO:
    raw = Stream(descriptor)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=current.encoding if current is not None else "utf-8",
        # Escape characters that the encoding does not contain.
        errors="backslashreplace",
        line_buffering=descriptor == _STDERR or raw.isatty(),
    )


def _handle_signals(handler: Callable[[int, object], None]) -> None:
    for number in _SIGNALS:
        # Keep ignoring a signal that `nohup`, or a shell that starts a background job, has made the
        # process ignore.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _end(_number: int, _frame: object) -> NoReturn:
    os.write(_STDERR, b"denodo-ha: interrupted\n")
    os._exit(exit_codes.INTERRUPTED)


def set_state_left(state: str) -> None:
    """Set the text about the state left behind, printed if a second signal ends the program."""
    global _state_left  # noqa: PLW0603 - shared with the signal handler
    _state_left = state


def _interrupt(_number: int, _frame: object) -> None:
    global _interrupted  # noqa: PLW0603 - shared by calls of the signal handler
    if _interrupted:
        message = f"interrupted again, so the command undoes nothing more: {_state_left}"
        os.write(_STDERR, f"denodo-ha: {message.encode('unicode_escape').decode()}\n".encode())
        os._exit(exit_codes.INTERRUPTED)
    _interrupted = True
    raise KeyboardInterrupt
