"""Guard that kills a command of `make local`, such as the CDK CLI, if `make local` is killed.

python -m tools.local_aws.command_end PID

Without this module, the CDK CLI and the programs that it has started would continue, and work in
the same folders as the next `make local`. This module runs in a process of its own, and waits for
the end of a pipe. The kernel closes the pipe when the process of `make local` ends, even if it is
killed.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tools.local_aws.emulator import process_tree
from tools.local_aws.paths import ROOT

_DONE = b"done"
_END_S = 60


@contextmanager
def killed_with_this_process(pid: int) -> Iterator[None]:
    """Kill a process and all its descendants if this process ends before the block ends."""
    command = [sys.executable, "-E", "-s", "-m", __name__, str(pid)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
    ) as waiting:
        try:
            yield
        finally:
            waiting.communicate(_DONE, timeout=_END_S)


def main() -> None:
    """Wait for the end of the process that started this process; then kill PID and all below PID.

    Nothing is killed if that process has sent `_DONE`, because its command has ended.
    """
    if sys.stdin.buffer.read() != _DONE:
        process_tree.send(process_tree.below(int(sys.argv[1])), signal.SIGKILL)


if __name__ == "__main__":
    main()
