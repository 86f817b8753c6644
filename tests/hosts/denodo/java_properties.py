"""Java's own reader and writer of `.properties` files, as a reference for the program's reader."""

from typing import Any

import jpype

from tests.support import jvm


def properties(data: bytes) -> dict[str, str]:
    """Return the properties that `java.util.Properties.load(InputStream)` reads.

    Raises:
        ValueError: Java refuses the file.
    """
    jvm.start()
    read = jpype.JClass("java.util.Properties")()
    stream = jpype.JClass("java.io.ByteArrayInputStream")(jpype.JArray(jpype.JByte)(data))
    try:
        read.load(stream)
    except jpype.JClass("java.lang.IllegalArgumentException") as refused:
        raise ValueError(str(refused)) from None
    return {_text(key): _text(read.get(key)) for key in read.keySet()}


def stored(values: dict[str, str]) -> bytes:
    """Return the bytes that `java.util.Properties.store(OutputStream)` writes."""
    jvm.start()
    written = jpype.JClass("java.util.Properties")()
    for key, value in values.items():
        written.setProperty(_java(key), _java(value))
    stream = jpype.JClass("java.io.ByteArrayOutputStream")()
    written.store(stream, None)
    return bytes(stream.toByteArray())


def _java(text: str) -> Any:
    """Return a Java string of UTF-16 code units, which may be lone surrogates."""
    raw = text.encode("utf-16-be", "surrogatepass")
    units = [raw[place] << 8 | raw[place + 1] for place in range(0, len(raw), 2)]
    return jpype.JClass("java.lang.String")(jpype.JArray(jpype.JInt)(units), 0, len(units))


def _text(string: Any) -> str:
    units = b"".join(int(unit).to_bytes(2, "big") for unit in string.chars().toArray())
    return units.decode("utf-16-be", "surrogatepass")
