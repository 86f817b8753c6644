"""`python3 -m node COMMAND`."""

import signal

if __name__ == "__main__":
    # A signal while the modules are imported ends the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys

from hosts.common import program
from hosts.denodo.commands import main

if __name__ == "__main__":
    sys.exit(program.run(main))
