"""Run commands whose standard streams refuse output, and print the exit codes as JSON.

Each run is a fork of this process, which has already imported the commands, because starting a
process costs 0.3 s of CPU time.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import cycle

import typer

from denodo_ha import __main__ as program
from denodo_ha.cli import commands, process
from denodo_ha.cli.output import print_document
from tests.commands.cli.sample_commands import SAMPLE
from tests.commands.cli.test_printable import ROWS

Arguments = tuple[str, ...]
LONG = "x" * 79 + "\n"


def _open(path: str) -> Callable[[int], None]:
    def attach(descriptor: int) -> None:
        os.dup2(os.open(path, os.O_WRONLY), descriptor)

    return attach


def _broken_pipe(descriptor: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, descriptor)


STREAMS: dict[str, Callable[[int], None]] = {
    "closed": os.close,
    "full": _open("/dev/full"),
    "broken pipe": _broken_pipe,
}


def states() -> None:
    """Print much text to stdout and a word to stderr, and exit with code 5."""
    for _ in range(2_000):
        typer.echo(LONG, nl=False)
    typer.echo("degraded", err=True)
    raise typer.Exit(5)


def document() -> None:
    """Print a document, and nothing else."""
    print_document(LONG * 2_000)


COMMANDS = (
    *commands.COMMANDS,
    *SAMPLE,
    commands.Command("states", "Sample", "Print much, and end with a state.", lambda: states),
    commands.Command("document", "Sample", "Print a document.", lambda: document),
)


def runs() -> Iterator[tuple[str, tuple[int, ...], Arguments]]:
    """Yield for each run: the fault of the streams, the descriptors that have it, the arguments."""
    streams = tuple(STREAMS)
    for index, command in enumerate(commands.COMMANDS):
        # Run the help or a usage error of each command on one stream only: all commands share the
        # code that prints them.
        yield streams[index % 3], (1, 2), (command.name, ("--help", "--nonsense")[index % 2])
    for stream in streams:
        for descriptors in ((1,), (2,), (0, 1, 2)):
            for name in ("states", "document", "fails", "broken", "killed"):
                yield stream, descriptors, (name,)


def failing_runs() -> Iterator[Arguments]:
    """For each command, yield arguments with which the command fails without calling AWS."""
    missing = {"active-passive": "nowhere", "shared-catalog": "nowhere"}
    for words, (row, *_) in ROWS.items():
        given = [each.format(hostile="/nowhere", assembly="/nowhere/cdk.out") for each in row]
        yield (*words.split(), *(missing.get(each, each) for each in given))


def code_of(stream: str, descriptors: Iterable[int], arguments: Arguments) -> int:
    """Return the exit code of a command; each of the descriptors has this fault of `STREAMS`."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            for descriptor in (0, 1, 2):
                _open(os.devnull)(descriptor)
            for descriptor in descriptors:
                STREAMS[stream](descriptor)
            if stream == "closed":
                # Python starts with None as a standard stream whose descriptor is closed.
                sys.stdout = None if 1 in descriptors else sys.stdout
                sys.stderr = None if 2 in descriptors else sys.stderr
            signal.alarm(120)
            sys.argv = ["denodo-ha", *arguments]
            commands.COMMANDS = COMMANDS
            try:
                program.main()
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else 99)
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for each in commands.COMMANDS:
        each.load()
    assert process.stdout_error() is None
    results = [[*run, code_of(*run)] for run in runs()]
    failing = [
        [arguments, code_of("closed", (), arguments), code_of(stream, (1, 2), arguments)]
        for arguments, stream in zip(failing_runs(), cycle(STREAMS), strict=False)
    ]
    sys.stdout.write(json.dumps({"runs": results, "failing": failing}))
