"""`python3 -m node COMMAND`."""

import signal

if __name__ == "__main__":
    # Let a signal during the imports below end the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys

from hosts.common import program
from hosts.denodo.commands import main

if __name__ == "__main__":
    sys.exit(program.run(main))
