"""A child process of the local AWS, for tests: starts a program, writes its id, and waits."""

import subprocess
import sys
import time
from pathlib import Path

from tools.local_aws.living import parent

if __name__ == "__main__":
    parent.end_with_parent()
    file = Path(sys.argv[1])
    new = file.with_suffix(".new")
    with subprocess.Popen(["sleep", "600"]) as program:
        new.write_text(str(program.pid))
        new.rename(file)
        time.sleep(600)
