"""Each worker of a test run imports all test files, and begins with a different file."""

from pathlib import Path

import pytest

from tests.support.collection_order import from_share


@pytest.mark.parametrize(("number", "expected"), [(0, "abcde"), (1, "bcdea"), (2, "deabc")])
def test_a_worker_begins_with_its_share(number: int, expected: str) -> None:
    assert "".join(from_share("abcde", number, 3)) == expected


def test_workers_import_no_file_at_the_same_time(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[list[str]] = []
    for number in range(3):
        worker = {"workerid": f"gw{number}", "workercount": 3}
        monkeypatch.setattr(request.config, "workerinput", worker, raising=False)
        folder = request.config.hook.pytest_collect_directory(
            path=Path(__file__).parent, parent=request.session
        )
        report = request.config.hook.pytest_make_collect_report(collector=folder)
        collected.append([entry.name for entry in report.result])
    assert len({tuple(sorted(names)) for names in collected}) == 1
    assert all(len(set(names)) == 3 for names in zip(*collected, strict=True))
