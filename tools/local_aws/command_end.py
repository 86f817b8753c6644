"""The end of a command that `make local` runs, if `make local` is killed.

python -m tools.local_aws.command_end PID

The CDK CLI would continue, and so would the programs that it has started: the next `make local`
would find them at work in its folders. A process of its own waits for the end of a pipe, which the
kernel closes when the process that holds it ends, whatever ends it.
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
    """Let a process and all processes below it be killed if this process ends in the block."""
    command = [sys.executable, "-E", "-s", "-m", __name__, str(pid)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
    ) as waiting:
        try:
            yield
        finally:
            waiting.communicate(_DONE, timeout=_END_S)


def main() -> None:
    """Wait for the end of the process that started this one, and kill the processes."""
    if sys.stdin.buffer.read() != _DONE:
        process_tree.send(process_tree.below(int(sys.argv[1])), signal.SIGKILL)


if __name__ == "__main__":
    main()
