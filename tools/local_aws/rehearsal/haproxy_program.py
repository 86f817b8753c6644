"""The program of an HAProxy instance of the rehearsal: HAProxy until the input ends.

    python -m tools.local_aws.rehearsal.haproxy_program HAPROXY ARGUMENT…

HAProxy is in the process group of this program, so that signals to the group reach both.
"""

import resource
import subprocess
import sys

from tools.local_aws.living import parent


def main() -> int:
    """Run HAProxy until HAProxy ends, or until the process that started this program has ended."""
    parent.end_with_parent()
    # `maxconn` of the deployed file needs more open files than the usual limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
