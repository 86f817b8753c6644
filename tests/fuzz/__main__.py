"""Fuzz all readers, or some, for a time: `make fuzz FUZZ_SECONDS=600 ARGS='drill hosts'`.

An input that makes a reader fail is shrunk and saved in `tests/fuzz/corpus`: commit it with the
fix, as `make test` reads the whole corpus. Inputs that reach new functions of a reader are saved
in `.fuzz` and continue to be mutated in the next run.
"""

import argparse
import hashlib
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType

from tests.fuzz.engine import judge, mutate, shrink
from tests.fuzz.readers import READERS
from tests.support.assembly import ROOT

CORPUS = ROOT / "tests/fuzz/corpus"
_REACHED = ROOT / ".fuzz"
_CPU_SECONDS = 60.0
"""CPU seconds after which reading an input counts as endless. `engine.judge` limits the function
calls of a reader; this limit is for a loop that calls no function."""


class _EndlessError(Exception):
    """Reading one input has used more CPU time than `_CPU_SECONDS`."""


class Fuzzing:
    """The fuzzing of one reader.

    Args:
        name: the reader.
        corpus: folder of the corpus, to which inputs that make the reader fail are added.
        reached: folder of the inputs that reach new functions.
        seed: seed of the random mutations.
    """

    def __init__(self, name: str, corpus: Path, reached: Path, seed: int) -> None:
        self.name, self.failures, self.count = name, dict[str, Path](), 0
        self._reader, self._random = READERS[name], random.Random(seed)  # noqa: S311 - no secret
        self._corpus, self._saved = corpus / name, reached / name
        self._functions: set[CodeType] = set()
        files = [*sorted(self._corpus.glob("*")), *sorted(self._saved.glob("*"))]
        self._inputs = [file.read_bytes() for file in files] or [b""]
        self._unread = list(self._inputs)

    def step(self) -> None:
        """Let the reader read one input: first each saved input, then mutations of saved inputs."""
        is_new = not self._unread
        data = mutate(self._random, self._inputs) if is_new else self._unread.pop()
        self.count += 1
        outcome = judge(self._reader, data)
        if outcome.failure and outcome.failure not in self.failures:
            self._report(data, outcome.failure, outcome.details)
        elif not outcome.failure and not outcome.reached <= self._functions:
            self._functions |= outcome.reached
            if is_new:
                self._inputs.append(data)
                _save(self._saved, data)

    def _report(self, data: bytes, failure: str, details: str) -> None:
        small = shrink(data, lambda part: judge(self._reader, part).failure == failure)
        file = self.failures[failure] = _save(self._corpus, small)
        sys.stdout.write(f"{self.name}: {failure}\n{details}\n  input: {file}\n")
        sys.stdout.flush()


def _save(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    return file


def _raise_endless(_signal: int, _frame: FrameType | None) -> None:
    message = f"no end within {_CPU_SECONDS:g} s of processor time"
    raise _EndlessError(message)


def main(arguments: Sequence[str]) -> int:
    """Fuzz the chosen readers until the time is over; return 1 if a reader failed."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None, help="default: another one in each run")
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    options = parser.parse_args(arguments)
    unknown = sorted({*options.readers} - {*READERS})
    if unknown:
        parser.error(f"no reader is called {', '.join(unknown)}; there are {', '.join(READERS)}")
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}\n")
    signal.signal(signal.SIGVTALRM, _raise_endless)
    every = [Fuzzing(name, CORPUS, _REACHED, seed) for name in options.readers or READERS]
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        for fuzzing in every:
            turn = min(end, time.monotonic() + 1)
            while time.monotonic() < turn:
                signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS)
                fuzzing.step()
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    for fuzzing in every:
        sys.stdout.write(
            f"{fuzzing.name}: {fuzzing.count} inputs, {len(fuzzing.failures)} failures\n"
        )
    return 1 if any(fuzzing.failures for fuzzing in every) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
