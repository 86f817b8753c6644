"""The options of `denodo-ha drill --live`, its output and its exit codes."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import Commands
from denodo_ha.drill.command import drill
from denodo_ha.drill.live.aws_calls import read_only_policy
from tests.drill.sample_templates import FILES
from tests.support.hand_made_site import REGIONS, HandMadeSite
from tests.support.recorded_calls import RecordedCalls

REGION_OPTIONS = [part for region in REGIONS for part in ("--region", region)]


def run(*arguments: str) -> Result:
    program = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    program.command("drill")(drill)
    program.callback()(lambda: None)
    return CliRunner(env={"COLUMNS": "200"}).invoke(program, ["drill", *arguments])


def live(site: HandMadeSite, *arguments: str) -> Result:
    return run("--live", *REGION_OPTIONS, "--record", site.record, *arguments)


def test_the_report_has_tables_policies_and_the_health_of_targets(site: HandMadeSite) -> None:
    result = live(site)
    assert result.exit_code == exit_codes.NO
    assert "node-moves-site" in result.output
    assert "Targets now" in result.output
    # Only Denodo's configuration tells whether nodes share a database outside of their VPC.
    assert "has no RDS database" in result.output.partition("Unknown parts; ")[2]
    ignored = live(site, "--ignore", "node-moves-site")
    assert ignored.exit_code == exit_codes.NO
    assert "zone-unreachable" in ignored.output


def test_the_json_has_what_only_a_live_drill_has(site: HandMadeSite) -> None:
    report = json.loads(live(site, "--format", "json").output)
    assert report["measured"] is False
    unknown = report["live"]["unknown"]
    assert [(part["permission"], part["region"]) for part in unknown] == [
        ("", region) for region in sorted(REGIONS)
    ]
    assert report["live"]["targets"][0].keys() == {
        *("cluster", "service", "target", "port", "state", "reason")
    }
    assert len(report["live"]["targets"]) == len(REGIONS) * (3 * 2 + 2)


def test_event_orders_of_what_runs_are_searched(site: HandMadeSite) -> None:
    report = json.loads(live(site, "--orders", "--orders-depth", "2", "--format", "json").output)
    assert [search["name"] for search in report["orders"]] == [site.record]


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_what_is_unknown_is_said_first(site: HandMadeSite, calls: RecordedCalls, form: str) -> None:
    with calls.without("elasticloadbalancing:DescribeTargetGroupAttributes"):
        output = live(site, "--format", form).output
    banner = output.index("Unknown parts; ")
    text = output.index("elasticloadbalancing:DescribeTargetGroupAttributes is not permitted")
    assert banner < text < output.index("DNS answers")


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_drift_from_templates_is_said_in_sentences(site: HandMadeSite, form: str) -> None:
    """Compare the site with templates of another cluster in the same region."""
    result = live(site, "--against", str(FILES[0]), "--format", form)
    assert result.exit_code == exit_codes.NO
    if form == "json":
        report = json.loads(result.output)
        assert any(
            "is in the templates and is not deployed" in one["text"]
            for one in report["differences"]
        )
        assert "live" in report
    else:
        # The text of a difference begins with the name of its cluster.
        assert re.search(r"Differences:[\s*-]+[\w-]+: ", result.output)


def test_the_policy_needs_no_account() -> None:
    result = run("--show-policy")
    assert result.exit_code == exit_codes.DONE
    assert json.loads(result.output) == read_only_policy()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no templates are given: give PATH"),
        ((str(FILES[0]), "--live"), "PATH and --live: give templates or --live, not both"),
        ((str(FILES[0]), "--region", "eu-west-1"), "--region can be given only with --live"),
        (("--record", "a.example.com"), "--record can be given only with --live"),
        (("--live",), "which site? Give -c CONFIG"),
        (("--live", "--record", "a.example.com", "--balancer", "b"), "which site?"),
        (("--live", "-c", "active-passive", "--balancer", "b"), "give only one of"),
    ],
)
def test_options_that_do_not_fit(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == exit_codes.USAGE
    assert message in " ".join(result.output.split())
