"""The server: MiniStack with our plugin, on 127.0.0.1.

    local/.venv/bin/python -m tools.local_aws.emulator --port 4566 --state .local

Port 0 takes a free one. Once it answers, it writes port and process id to `server.json` in the
state's folder, and takes that away when it is stopped politely.
"""

import argparse
import os
import socket
import sys
from pathlib import Path

HOST = "127.0.0.1"


def listening(port: int) -> socket.socket:
    """A socket that listens; the port is ours from here on."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((HOST, port))
    except OSError as error:
        sys.exit(f"local AWS: port {port} of {HOST} is taken ({error.strerror})")
    server.listen(128)
    server.settimeout(0)
    return server


def settle(port: int, folder: Path) -> None:
    """Settle what MiniStack reads from the environment when it is imported."""
    for key in [key for key in os.environ if key.startswith(("AWS_", "MINISTACK_"))]:
        del os.environ[key]
    os.environ.update(
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        PERSIST_STATE="1",
        STATE_DIR=str(folder / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(folder / "s3"),
        # Containers and brokers that our stacks have no use for.
        DOCKER_HOST=f"unix://{folder}/no-docker",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
    )
    os.environ.setdefault("LOG_LEVEL", "WARNING")


def main() -> None:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(description="The local AWS.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--stop-with-parent", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.state.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    server = listening(arguments.port)
    settle(server.getsockname()[1], folder)
    # Only now: with the import MiniStack reads what was settled.
    from tools.local_aws.emulator.serving import Serving  # noqa: PLC0415 - see above

    Serving(server, folder, stop_with_parent=arguments.stop_with_parent).run()


if __name__ == "__main__":
    main()
