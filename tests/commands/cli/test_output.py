"""Output for people and programs: tables, JSON, Markdown and progress messages."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from denodo_ha.cli import logging_setup
from denodo_ha.cli.output import print_json, print_line, print_markdown, print_table, styled
from denodo_ha.cli.progress import Progress

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def text_log() -> Iterator[None]:
    logging_setup.set_up(logging_setup.Format.text, 0)
    yield
    logging_setup.set_up(logging_setup.Format.text, 0)


class TestTable:
    """Output on stdout."""

    def test_a_row_is_a_line_however_long(self, capsys: Capture) -> None:
        print_table(["Node", "Why"], [["node1", "x" * 300], ["node2", "y"]])
        lines = capsys.readouterr().out.splitlines()
        assert [line.split() for line in lines] == [
            ["Node", "Why"],
            ["node1", "x" * 300],
            ["node2", "y"],
        ]

    def test_nothing_is_markup_and_nothing_is_coloured(self, capsys: Capture) -> None:
        print_table(["A"], [["[red]x"], [styled("healthy")]], title="[b]")
        print_line("[i]")
        assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
            *("[b]", "A", "[red]x", "healthy", "[i]")
        ]

    def test_colours_are_for_states(self) -> None:
        assert (styled("healthy").style, styled("draining").style) == ("green", "yellow")
        assert (styled("unhealthy").style, styled("whatever").style) == ("red", "")

    def test_markdown(self, capsys: Capture) -> None:
        print_markdown(["Node", "Why"], [["node1", "a|b"]])
        shown = capsys.readouterr().out
        assert shown == "| Node | Why |\n| --- | --- |\n| node1 | a\\|b |\n"


@dataclass(frozen=True)
class Part:
    name: str
    seen: datetime
    of: frozenset[str] = frozenset({"b", "a"})


def test_json_of_dataclasses(capsys: Capture) -> None:
    print_json({"parts": [Part("x" * 200, datetime(2026, 1, 2, 3, tzinfo=UTC))]})
    assert json.loads(capsys.readouterr().out) == {
        "parts": [{"name": "x" * 200, "seen": "2026-01-02T03:00:00+00:00", "of": ["a", "b"]}]
    }


class TestProgress:
    """Output on stderr."""

    def work(self) -> None:
        progress = Progress()
        with progress.step("draining [node1]") as step:
            for text in ("2 left", "2 left", "1 left"):
                step.update(text)
        progress.say("node1 is drained")

    def test_without_a_terminal_each_news_is_a_line(self, capsys: Capture) -> None:
        self.work()
        seen = capsys.readouterr()
        assert seen.out == ""
        assert seen.err.splitlines() == [
            "draining [node1]",
            "draining [node1]: 2 left",
            "draining [node1]: 1 left",
            "node1 is drained",
        ]

    def test_with_json_each_is_an_object(self, capsys: Capture) -> None:
        logging_setup.set_up(logging_setup.Format.json, 0)
        self.work()
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [one["message"] for one in lines][-2:] == [
            "draining [node1]: 1 left",
            "node1 is drained",
        ]

    def test_on_a_terminal_the_line_is_replaced(
        self, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        self.work()
        shown = capsys.readouterr().err
        assert "\r" in shown
        assert "[node1]" in shown
        assert shown.endswith("node1 is drained\n")


def test_verbosity_sets_the_level() -> None:
    levels = []
    for verbosity in range(4):
        logging_setup.set_up(logging_setup.Format.text, verbosity)
        levels.append(logging.getLogger("denodo_ha").level)
    assert levels == [logging.WARNING, logging.INFO, logging.DEBUG, logging.DEBUG]
