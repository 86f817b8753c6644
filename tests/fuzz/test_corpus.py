"""Each reader ends for each input of its corpus, and raises only its documented errors."""

import random
from pathlib import Path

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz.engine import judge, mutate
from tests.fuzz.readers import READERS, Reader

INPUTS = sorted(file for file in command.CORPUS.glob("*/*") if file.is_file())


@pytest.mark.parametrize("file", INPUTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_input(file: Path) -> None:
    outcome = judge(READERS[file.parent.name], file.read_bytes())
    assert not outcome.failure, outcome.details


def test_every_reader_has_inputs() -> None:
    assert {file.parent.name for file in INPUTS} == {*READERS}


def test_mutations_depend_on_the_seed_only() -> None:
    def some(seed: int) -> list[bytes]:
        source = random.Random(seed)  # noqa: S311 - no secret
        return [mutate(source, [b"first: 1\n", b"", b"[2, 3]"]) for _ in range(50)]

    assert some(1) == some(1)
    assert some(1) != some(2)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a reader with two faults, each of which needs certain bytes in the input."""

    def nested(data: bytes, depth: int = 0) -> int:
        return nested(data, depth + 1) if depth < 50 else depth

    def read(data: bytes, _folder: Path) -> None:
        if b"[" in data and b"]" in data:
            if b"9" in data:
                while True:
                    nested(data)
            message = "not foreseen"
            raise KeyError(message)
        message = "documented"
        raise ValueError(message)

    monkeypatch.setitem(READERS, "faulty", Reader(read, (ValueError,), calls=2_000))


@pytest.mark.usefixtures("faulty")
def test_faults_are_found_shrunk_and_saved(tmp_path: Path) -> None:
    (tmp_path / "corpus/faulty").mkdir(parents=True)
    (tmp_path / "corpus/faulty/seed").write_bytes(b"[an input] of some length")
    fuzzing = command.Fuzzing("faulty", tmp_path / "corpus", tmp_path / "reached", 1)
    for _ in range(100):
        fuzzing.step()
    (error,) = (failure for failure in fuzzing.failures if failure.startswith("KeyError at "))
    assert fuzzing.failures[error].read_bytes() == b"[]"
    assert fuzzing.failures[error].parent == tmp_path / "corpus/faulty"


@pytest.mark.usefixtures("faulty")
def test_work_without_an_end_is_found() -> None:
    assert judge(READERS["faulty"], b"[9]").failure == "too much work"
    assert judge(READERS["faulty"], b"documented").failure == ""
