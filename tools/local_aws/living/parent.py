"""The end of a child process together with the server that started it.

The server holds the write end of a pipe that is the child's standard input. The kernel closes the
pipe when the server ends, even if the server is killed, on Linux and macOS. A poll of the parent's
id would cost time, and Linux's parent-death signal would also arrive when only the thread that
started the child ends.
"""

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """End this process and its process group once the server that started it has ended."""
    threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    try:
        while os.read(sys.stdin.fileno(), 1024):
            continue
    finally:
        # The process group includes programs of a machine, also suspended ones.
        os.killpg(0, signal.SIGKILL)
