"""A server for tests: it starts a child process, and runs until the test kills the server."""

import sys
import time
from pathlib import Path

from tests.local_aws.living import sample_child
from tools.local_aws.emulator.child_processes import CHILDREN

if __name__ == "__main__":
    CHILDREN.install(Path(sys.argv[1]))
    CHILDREN.start("sample", sample_child.__name__, sys.argv[2])
    time.sleep(600)
