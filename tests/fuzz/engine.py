"""Mutation of inputs, and the judgement of a reader by its calls and errors for an input."""

import io
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType

from tests.fuzz.readers import Reader

_CALLS_PER_BYTE = 3_000
"""Function calls that a reader may make for each byte of its input, in addition to
`Reader.calls`."""
_SIZE = 20_000
"""Maximum size of a mutated input, in bytes."""

_TOKENS = [
    *(b"{", b"}", b"[", b"]", b"[[[[[[[[", b'{"a":', b'"', b"'", b"\\", b"\\u12", b"\\ud800"),
    *(b"\n", b"\r\n", b"\r", b"\0", b"\t", b" ", b": ", b"- ", b"#", b"=", b",", b"|", b"\n\n"),
    *(b"null", b"true", b"yes", b"0", b"-1", b"1e999", b".inf", b".nan", b"NaN", b"99999999999"),
    *(b"9" * 5001, b"0x1F", b"1_0", b"2001-01-01", b"\xff", b"\xe9", b"\xef\xbb\xbf", b"\x85"),
    *(b"\xed\xa0\x80", "\u2028".encode(), b"%YAML 1.3\n", b"---\n", b"...\n", b"&a ", b"*a"),
    *(b"<<: *a", b"!!binary ", b"!!set ", b"!!python/none ", b"? ", b"!Ref ", b"!Sub ", b"!If "),
    *(b"!GetAtt ", b"!FindInMap ", b"!Select ", b"!ImportValue ", b"Fn::ForEach", b"Condition"),
    *(b"bind *:99999", b"# BEGIN denodo-node: written by the node program, do not edit\n"),
    *(b"GET /ready HTTP/1.1\r\n\r\n", b"HTTP/9.9", b"Set-Cookie: ", b"Location: http://["),
    *(b"\x75\xff\xff\xff\xff", b"\x73\x72", b"\x71\x00\x7e\x00\x00", b"\x7f\xff\xff\xff"),
]
"""Tokens that a mutation inserts; each has a meaning for at least one reader."""


class _WorkError(BaseException):
    """A reader has made too many calls.

    A BaseException, so that no handler of the reader catches it.
    """


@dataclass(frozen=True)
class Outcome:
    """Result of a reader for an input.

    Args:
        failure: name of the reader's fault, empty if there is none; equal for inputs with the same
            fault.
        details: the error with its traceback.
        reached: the functions that the reader called.
    """

    failure: str
    details: str
    reached: frozenset[CodeType]


def judge(reader: Reader, data: bytes) -> Outcome:
    """Let a reader read an input, and return its result, with its fault if there is one."""
    limit = reader.calls + _CALLS_PER_BYTE * len(data)
    reached: set[CodeType] = set()
    calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        if event == "call":
            reached.add(frame.f_code)
            calls += 1
            if calls > limit:
                message = f"more than {limit} calls for {len(data)} bytes"
                raise _WorkError(message)

    failure = details = ""
    before = sys.getprofile()
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        try:
            sys.setprofile(count)
            try:
                reader.read(data, Path(folder))
            finally:
                sys.setprofile(before)
        except reader.errors as error:
            # The message of a documented error must be encodable, so that programs can print the
            # message.
            str(error).encode()
        except _WorkError as error:
            failure, details = "too much work", str(error)
        except Exception as error:  # noqa: BLE001 - an unexpected error is a finding
            last = traceback.extract_tb(error.__traceback__)[-1]
            failure = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            details = "".join(traceback.format_exception(error, limit=-6))
    return Outcome(failure, details, frozenset(reached))


def mutate(source: random.Random, inputs: Sequence[bytes]) -> bytes:
    """Return a new input: a mutation of one input, or of two."""
    data = bytearray(source.choice(inputs))
    for _ in range(source.choice((1, 1, 2, 4, 8))):
        at = source.randint(0, len(data))
        end = min(len(data), at + source.choice((1, 2, 4, 16, 64, 256)))
        match source.randrange(8):
            case 0 if data:
                data[min(at, len(data) - 1)] = source.randrange(256)
            case 1:
                data[at:at] = source.choice(_TOKENS)
            case 2:
                data[at:end] = source.choice(_TOKENS)
            case 3:
                del data[at:end]
            case 4:
                del data[at:]
            case 5:
                part = data[at:end]
                data[at:at] = part * source.choice((1, 2, 100))
            case 6:
                other = source.choice(inputs)
                start = source.randint(0, len(other))
                data[at:end] = other[start : start + source.choice((8, 64, 512))]
            case _:
                lines = data.split(b"\n")
                source.shuffle(lines)
                data = bytearray(b"\n".join(lines))
    return bytes(data[:_SIZE])


def shrink(data: bytes, still_fails: Callable[[bytes], bool], *, attempts: int = 300) -> bytes:
    """Return an input for which `still_fails` holds: as small as the attempts permit."""
    size = len(data) // 2
    while size and attempts > 0:
        at = 0
        while at < len(data) and attempts > 0:
            attempts -= 1
            smaller = data[:at] + data[at + size :]
            if still_fails(smaller):
                data = smaller
            else:
                at += size
        size //= 2
    return data
