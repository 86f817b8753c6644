"""The server: MiniStack with the plugin of this package, on 127.0.0.1.

    tools/local_aws/.venv/bin/python -m tools.local_aws.emulator --port 4566 --state .local

Port 0 selects a free port. Once the server answers, it writes port and process id to `server.json`
in the state folder. When a signal stops the server, the server removes that file.
"""

import argparse
import os
import socket
import sys
from pathlib import Path

HOST = "127.0.0.1"


def listening_socket(port: int) -> socket.socket:
    """Return a socket that listens on the port, or exit if another process uses the port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((HOST, port))
    except OSError as error:
        sys.exit(f"local AWS: port {port} of {HOST} is taken ({error.strerror})")
    server.listen(128)
    server.settimeout(0)
    return server


def set_environment(port: int, folder: Path) -> None:
    """Set the environment variables that MiniStack reads at its import."""
    for key in [key for key in os.environ if key.startswith(("AWS_", "MINISTACK_"))]:
        del os.environ[key]
    os.environ.update(
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        PERSIST_STATE="1",
        STATE_DIR=str(folder / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(folder / "s3"),
        # Switch off containers and brokers, which this project's stacks do not use.
        DOCKER_HOST=f"unix://{folder}/no-docker",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
    )
    os.environ.setdefault("LOG_LEVEL", "WARNING")


def main() -> None:
    """Read the command line, and run the server until a signal stops it."""
    parser = argparse.ArgumentParser(description="The server of the local AWS.")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1; 0: a free port")
    parser.add_argument("--state", type=Path, required=True, help="folder of the state")
    parser.add_argument("--parent", type=int, help="process id; stop when its process has ended")
    arguments = parser.parse_args()
    folder = arguments.state.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    server = listening_socket(arguments.port)
    set_environment(server.getsockname()[1], folder)
    # Hide `cryptography` from MiniStack: with this package, MiniStack would create an RSA key in
    # the state folder at each start, even before an interrupted write is repaired. Only
    # certificates of listeners need the package.
    sys.modules["cryptography"] = None  # type: ignore[assignment] # with None, an import of the package fails
    # Imported here, because MiniStack reads the environment variables when it is imported.
    from tools.local_aws.emulator.server import Server  # noqa: PLC0415 - reads the variables when it is imported

    del sys.modules["cryptography"]
    Server(server, folder, parent=arguments.parent).run()


if __name__ == "__main__":
    main()
