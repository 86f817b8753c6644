"""Samples of output on the pages of docs/how-to, compared with what the commands print.

A comment `<!-- sample: SITUATION -->` before a block names the function of this module that
prepares the account. Each command of the block is run, and its output compared. `…` stands for any
text or,
alone on a line, for any lines. Ids, times, seconds, users and widths of columns may differ.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from denodo_ha.drain import command as drain_command
from denodo_ha.pause import command as pause_command
from denodo_ha.status import command as status_command
from tests.commands.account.agents import Agents
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import Route53
from tests.commands.conftest import Clouds, Run
from tests.support.assembly import ROOT

PAGES = sorted((ROOT / "docs/how-to").rglob("*.md"))
MARKED = re.compile(r"<!-- sample: ([a-z-]+) -->\n+```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAMPLE = re.compile(r"^```\n((?:(?!```).*\n)*?\$ denodo-ha (?:.*\n)*?)```$", re.MULTILINE)
EXAMPLE = "active-passive"
TIMEOUT = ("unhealthy", "Target.Timeout", "")


class Account:
    """Account with the active-passive example in two simulated regions, its nodes, and Route 53."""

    def __init__(self, cloud: Cloud, run: Run) -> None:
        self.cloud, self.run = cloud, run
        self.route53 = Route53(cloud)
        self.agents = Agents(cloud, "active")


def healthy(_: Account) -> None:
    """Prepare nothing: the sample shows the site as it was deployed."""


def failed_over(account: Account) -> None:
    account.route53.put_now(1)


def primary_down(account: Account) -> None:
    account.route53.down.add("active")


def secondary_down(account: Account) -> None:
    account.route53.down.add("passive")


def drained(account: Account) -> None:
    account.run("drain", "node1", "--cluster", "active", "-c", EXAMPLE)


def stopped_and_unhealthy(account: Account) -> None:
    account.cloud.stop("passive", "node2")
    account.cloud.become("active", "node1", TIMEOUT, "odbc")
    account.agents.nodes["node1"].unready = {"odbc": "the server did not answer"}


def terminated(account: Account) -> None:
    account.cloud.terminate("active", "node1")
    account.cloud.clock.sleep(400)


SITUATIONS: dict[str, Callable[[Account], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        healthy,
        failed_over,
        primary_down,
        secondary_down,
        drained,
        stopped_and_unhealthy,
        terminated,
    )
}


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


SAMPLES = [
    pytest.param(situation, block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (situation, block) in enumerate(MARKED.findall(_text(page)))
]


@pytest.fixture
def account(clouds: Clouds, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch) -> Account:
    cloud = clouds(EXAMPLE)
    for module in (drain_command, pause_command, status_command):
        monkeypatch.setattr(module, "real_clock", lambda: cloud.clock)
    account = Account(cloud, denodo_ha)
    account.route53.begin(monkeypatch)
    return account


@pytest.mark.long
@pytest.mark.parametrize(("situation", "block"), SAMPLES)
def test_a_sample_is_what_the_command_prints(account: Account, situation: str, block: str) -> None:
    SITUATIONS[situation](account)
    for step in re.split(r"^\$ denodo-ha ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = step.partition("\n")
        words = [EXAMPLE if word == "prod" else word for word in shlex.split(command)]
        output = account.run(*words).output
        assert re.fullmatch(_pattern(_of_prod(expected)), _shape(_of_prod(output))), (
            f"{command}\n{output}"
        )


def _of_prod(text: str) -> str:
    """Return a text with `prod`, the name on most pages, in place of the example's name."""
    return re.sub(rf"(\bof|-c) {EXAMPLE}\b", r"\1 prod", text)


def test_every_sample_of_a_command_is_compared() -> None:
    situations = {situation for page in PAGES for situation, _ in MARKED.findall(_text(page))}
    assert situations == set(SITUATIONS)
    for page in PAGES:
        text = _text(page)
        compared = {block for _, block in MARKED.findall(text)}
        assert [block for block in SAMPLE.findall(text) if block not in compared] == [], page


def _shape(text: str) -> str:
    """Return a text in which times, ids, users and numbers of seconds are replaced by words."""
    for pattern, shape in (
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?: UTC|Z)?", "TIME"),
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"\bi-[0-9a-f]{17}\b", "ID"),
        (r"\b\d+ s\b", "SECONDS"),
        (r"\bby \S+@[^\s:;]+", "by USER"),
        (r"[ \t]+", " "),
        (r" $", ""),
        # Alarms are listed in one text only if they changed in the same second, so ignore the
        # grouping.
        (r"(\d of \d checkers [^;\n]*; the check's alarm in [^;\n]*? TIME)(?:; \1)+", r"\1"),
    ):
        text = re.sub(pattern, shape, text, flags=re.MULTILINE)
    return text


def _pattern(expected: str) -> str:
    """Return a regular expression of the shape of an output, in which `…` stands for any text."""
    lines = _shape(expected).splitlines()
    return "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in lines
    )
