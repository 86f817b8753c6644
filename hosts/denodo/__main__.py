"""`python3 -m node COMMAND`."""

import sys

from hosts.denodo.commands import main

if __name__ == "__main__":
    sys.exit(main())
