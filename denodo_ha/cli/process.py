"""The process of a program: its signals, its standard streams, and its exit code.

The exit code is the one that the command has decided. It does not depend on whether the output
reaches a reader: a write to a closed stream, to a pipe without a reader or to a full disk fails
without effect, and `run` reports what was lost. This module imports nothing that takes time, so
that a signal during the program's imports already ends it with the signal's exit code.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from denodo_ha.cli import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDOUT: Final = 1
_STDERR: Final = 2
_interrupted = False
_state_left = "the last messages say what was changed"


class Stream(io.FileIO):
    """A standard stream that keeps the error of a write instead of raising it.

    Attributes:
        error: the first error of a write; nothing is written after it.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write data, or discard them once a write has failed."""
        size = memoryview(data).nbytes
        while self.error is None:
            try:
                # None instead of a number: the stream is non-blocking, as a child process, such
                # as the CDK CLI, may have made it, and is full.
                if (written := super().write(data)) is not None:
                    return written
                select.select([], [self], [])
            except OSError as error:
                self.error = error
        return size


def run(load: Callable[[], Callable[[], object]]) -> NoReturn:
    """Run a program, and end the process with the program's exit code.

    Args:
        load: imports the program, and returns a function that runs it and that handles its own
            errors. A signal during the import ends the process at once.
    """
    _handle_signals(_end)
    _open_streams()
    try:
        program = load()
        # A command then undoes its steps, or reports the current state, as after Ctrl-C.
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
        # Threads that wait for an answer of AWS would keep the process.
        os._exit(code)
    sys.exit(code)


def stdout_error() -> OSError | None:
    """Return the error by which output on stdout was lost, None if there was none."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, Stream) else None


def _report(message: str, code: int) -> int:
    # Not by `printable`: it is part of a package whose import takes time, and may have failed.
    sys.stderr.write(f"denodo-ha: {message.encode('unicode_escape').decode()}\n")
    return code


def _open_streams() -> None:
    """Replace stdout and stderr by streams whose writes do not fail."""
    # A standard stream that the caller has closed leaves its number to the next file or
    # connection, in which messages would then be written.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - it takes no keyword
    os.close(descriptor)
    sys.stdout = _text_stream(_STDOUT, sys.stdout)
    sys.stderr = _text_stream(_STDERR, sys.stderr)


def _text_stream(descriptor: int, current: TextIO | None) -> TextIO:
    raw = Stream(descriptor)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=current.encoding if current is not None else "utf-8",
        # Characters that the encoding lacks are escaped.
        errors="backslashreplace",
        line_buffering=descriptor == _STDERR or raw.isatty(),
    )


def _handle_signals(handler: Callable[[int, object], None]) -> None:
    for number in _SIGNALS:
        # `nohup`, and a shell for jobs in the background, ignore a signal on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _end(_number: int, _frame: object) -> NoReturn:
    os.write(_STDERR, b"denodo-ha: interrupted\n")
    os._exit(exit_codes.INTERRUPTED)


def set_state_left(state: str) -> None:
    """Set what a second signal says before it ends the program at once."""
    global _state_left  # noqa: PLW0603 - a signal handler takes no argument
    _state_left = state


def _interrupt(_number: int, _frame: object) -> None:
    global _interrupted  # noqa: PLW0603 - as above
    if _interrupted:
        message = f"interrupted again, so nothing more is undone: {_state_left}"
        os.write(_STDERR, f"denodo-ha: {message.encode('unicode_escape').decode()}\n".encode())
        os._exit(exit_codes.INTERRUPTED)
    _interrupted = True
    raise KeyboardInterrupt
