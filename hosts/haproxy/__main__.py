"""`python3 -m haproxy COMMAND`."""

import sys

from hosts.haproxy.commands import start

if __name__ == "__main__":
    sys.exit(start())
