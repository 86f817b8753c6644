"""`python3 -m haproxy COMMAND`."""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Let a signal during the imports below end the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys

from hosts.common import program
from hosts.haproxy.commands import main

if __name__ == "__main__":
    sys.exit(program.run(main))
