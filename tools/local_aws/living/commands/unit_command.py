"""`systemctl`, `journalctl` and `logger` of a machine: send commands to its first process."""

import json
import os
import socket
import sys

SOCKET = "run/local-aws/units"
"""Path of the socket in the machine's root folder."""


def main() -> int:
    """Send this command's name and arguments to the machine's first process; print the answer."""
    request = {"program": sys.argv[1], "arguments": sys.argv[2:]}
    with socket.socket(socket.AF_UNIX) as connection:
        os.chdir(os.environ.get("LOCAL_AWS_ROOT") or "/")
        connection.connect(SOCKET)
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    result = json.loads(answer)
    sys.stdout.write(result["output"])
    sys.stderr.write(result["error"])
    return int(result["code"])


if __name__ == "__main__":
    sys.exit(main())
