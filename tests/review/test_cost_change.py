"""The monthly cost before and after a change: sums, items, the gate and the page."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli import configuration_choice, exit_codes
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.main import build_program
from denodo_ha.environment.model.environment import Acceptance
from denodo_ha.review.cost.cost_change import CostChange, cost_change, cost_findings
from denodo_ha.review.cost.price_list import Price, Source
from denodo_ha.review.gate import Gate, parse_gate
from denodo_ha.review.page.cost_section import cost_blocks
from denodo_ha.review.page.page_parts import Paragraph, Table
from denodo_ha.review.review import Configuration, review_stacks

SOURCE: Final = Source("a page", "https://example.com", "2026-09-25")
PRICES: Final = {
    ("eu-west-1", "ec2 m"): Price(Decimal("0.1"), SOURCE),
    ("eu-west-1", "ec2 n"): Price(Decimal("0.11"), SOURCE),
    ("eu-west-2", "ec2 m"): Price(Decimal("0.2"), SOURCE),
}


def cluster(name: str, *types: str, region: str = "eu-west-1") -> SynthesisedStack:
    """Return the stack of a cluster with instances of these types, and without EBS volumes."""
    tags = [{"Key": "denodo:cluster", "Value": name}]
    nodes = {
        f"N{number}": {
            "Type": "AWS::EC2::Instance",
            "Properties": {"InstanceType": type_, "Tags": tags},
        }
        for number, type_ in enumerate(types)
    }
    return SynthesisedStack(name, region, "", {"Resources": nodes})


def changed(before: list[SynthesisedStack], after: list[SynthesisedStack]) -> CostChange:
    """Return the change of the cost, with a price of 0.01 USD for the disk in a machine image."""
    disks = {
        (region, "ebs of the image"): Price(Decimal("0.01"), SOURCE)
        for region in ("eu-west-1", "eu-west-2")
    }
    return cost_change(before, after, {**PRICES, **disks})


ONE: Final = [cluster("active", "m", "m")]
"""One cluster of two nodes, which cost 73.00 + 0.01 USD a month each."""


class TestChange:
    def test_sums_and_items(self) -> None:
        change = changed(ONE, [cluster("active", "m", "n", "n")])
        (scope,) = change.scopes
        assert (str(scope.before), str(scope.after)) == ("146.02", "233.63")
        assert str(scope) == "+87.61 (+60.0 %)"
        assert [(item.item, item.before, item.after) for item in change.items] == [
            ("EC2 instance m, Linux on demand", "2 for 146.00", "1 for 73.00"),
            ("EBS disk of the image", "2 for 0.02", "3 for 0.03"),
            ("EC2 instance n, Linux on demand", "none", "2 for 160.60"),
        ]

    def test_a_cluster_that_moves_is_one_cluster(self) -> None:
        change = changed(ONE, [cluster("active", "m", "m", region="eu-west-2")])
        (scope,) = change.scopes
        assert (scope.scope, str(scope)) == ("active", "+146.00 (+100.0 %)")

    def test_clusters_come_and_go(self) -> None:
        change = changed(ONE, [cluster("other", "m")])
        assert {scope.scope: str(scope) for scope in change.scopes} == {
            "other": "+73.01",
            "active": "-146.02 (-100.0 %)",
        }
        assert str(change.total) == "-73.01 (-50.0 %)"

    def test_a_price_that_becomes_unknown(self) -> None:
        change = changed(ONE, [cluster("active", "m", "x")])
        assert str(change.total) == "-73.00 (-50.0 %), without items of unknown price"
        assert str(change.total.after) == "at least 73.02"

    def test_the_same_unknown_prices_do_not_matter(self) -> None:
        change = changed([cluster("a", "m", "x")], [cluster("a", "m", "m", "x")])
        assert str(change.total) == "+73.01 (+100.0 %)"


class TestGate:
    @pytest.mark.parametrize(
        ("text", "gate"),
        [
            (None, Gate()),
            ("worse, access", Gate(frozenset({"worse", "access"}))),
            ("cost", Gate(frozenset({"cost"}), Decimal(0))),
            ("cost:+20%", Gate(frozenset({"cost"}), Decimal(20))),
            ("cost:+2.5%,worse", Gate(frozenset({"cost", "worse"}), Decimal("2.5"))),
        ],
    )
    def test_limits(self, text: str | None, gate: Gate) -> None:
        assert parse_gate(text) == gate

    @pytest.mark.parametrize(
        "limit", ["", "20", "+20", "20%", "+%", "-20%", "+1e3%", "+20%%", "+\u0662%", "+nan%"]
    )
    def test_all_errors_at_once(self, limit: str) -> None:
        with pytest.raises(UsageError) as error:
            parse_gate(f"wors,cost:{limit},access:+5%")
        assert "'wors' is not a category; " in str(error.value)
        assert "is not a limit such as +20%" in str(error.value)
        assert "access cannot have a limit" in str(error.value)

    @pytest.mark.parametrize(
        ("after", "limit", "names"),
        [
            (["m", "m", "m"], "50", []),
            (["m", "m", "m"], "49.9", ["cost-higher"]),
            (["m", "m", "m"], None, []),
            (["m", "m"], "0", []),
            (["m"], "0", []),
            (["m", "n"], "0", ["cost-higher"]),
            (["m", "x"], "20", ["cost-unknown"]),
            (["m", "m", "m", "x"], "20", ["cost-higher", "cost-unknown"]),
        ],
    )
    def test_findings(self, after: list[str], limit: str | None, names: list[str]) -> None:
        change = changed(ONE, [cluster("active", *after)])
        found = list(cost_findings(change, None if limit is None else Decimal(limit)))
        assert [item.name for item in found] == names
        assert {item.where for item in found} <= {"active"}

    def test_texts(self) -> None:
        change = changed(ONE, [cluster("active", "m", "m", "m", "x")])
        higher, unknown = cost_findings(change, Decimal(20))
        assert higher.text == (
            "146.02 -> at least 219.04 USD a month, +73.02 (+50.0 %), without items of unknown "
            "price; the limit is +20 %"
        )
        assert (
            "EC2 instance x, Linux on demand; `denodo-ha cost --online -c CONFIG`" in unknown.text
        )

    def test_it_names_the_clusters_that_rise(self) -> None:
        before = [cluster("a", "m"), cluster("b", "m", "m"), cluster("c", "m")]
        after = [cluster("a", "m", "m", "m"), cluster("b", "m"), cluster("c", "m")]
        (higher,) = cost_findings(changed(before, after), Decimal(0))
        assert higher.where == "a"

    def test_without_a_cost_before_any_rise_is_above_the_limit(self) -> None:
        (higher,) = cost_findings(changed([cluster("a")], [cluster("a", "m")]), Decimal(1000))
        assert higher.text == "0.00 -> 73.01 USD a month, +73.01; the limit is +1000 %"

    def test_amounts_of_the_same_unknown_price_in_two_clusters(self) -> None:
        before = [cluster("a", "x", "x"), cluster("b", "x")]
        moved = [cluster("a", "x"), cluster("b", "x", "x")]
        change = changed(before, moved)
        assert change.total.is_known
        assert not any(scope.is_known for scope in change.scopes)

    def test_a_new_environment_has_no_finding(self) -> None:
        assert list(cost_findings(changed([], ONE), Decimal(0))) == []

    def test_an_acceptance_silences_it(self) -> None:
        accept = {"cost-higher": Acceptance(why="w", until="2099-01-01")}
        review = review_stacks(
            ONE,
            [cluster("active", "m", "m", "n")],
            Configuration("prod", accept),
            date(2026, 11, 27),
            prices=PRICES,
            cost_limit=Decimal(5),
        )
        assert "cost-higher" in {item.name for item in review.accepted}
        assert "cost-higher" not in {item.name for item in review.findings}


class TestPage:
    def test_a_change(self) -> None:
        blocks = list(cost_blocks(changed(ONE, [cluster("active", "m", "m", "m")])))
        sums, items, basis = blocks
        assert isinstance(sums, Table)
        assert sums.rows == (
            ("active", "146.02", "219.03", "+73.01 (+50.0 %)"),
            ("Total", "146.02", "219.03", "+73.01 (+50.0 %)"),
        )
        assert isinstance(items, Table)
        assert isinstance(basis, Paragraph)
        assert basis.text.startswith("List prices of 2026-09-25 to 2026-09-25 for 730 hours")
        assert "`denodo-ha cost -c CONFIG` lists each item" in basis.text

    def test_no_change(self) -> None:
        first, *_ = cost_blocks(changed(ONE, ONE))
        assert first == Paragraph("No difference: 146.02 USD a month.")


class TestCommand:
    @staticmethod
    def assembly(folder: Path, *types: str) -> str:
        folder.mkdir()
        stack = cluster("active", *types)
        (folder / "t.json").write_text(json.dumps(stack.template))
        artifact = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://111122223333/eu-west-1",
            "properties": {"templateFile": "t.json"},
        }
        (folder / "manifest.json").write_text(json.dumps({"artifacts": {"s": artifact}}))
        return str(folder)

    @pytest.mark.parametrize(
        ("fail_on", "code"), [("cost:+20%", exit_codes.NO), ("cost:+50%", exit_codes.DONE)]
    )
    def test_the_gate(
        self, tmp_path: Path, fail_on: str, code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
        (tmp_path / "config").mkdir()
        prices = {"eu-west-1": {"ec2 m": "0.1", "ebs of the image": "0.01"}}
        source = {"title": "t", "url": "u", "published": "2026-01-01", "prices": prices}
        document = {"format": 1, "currency": "USD", "sources": [source]}
        (tmp_path / "config/prices.json").write_text(json.dumps(document))
        folders = [self.assembly(tmp_path / str(count), *["m"] * count) for count in (2, 3)]
        done: Result = CliRunner().invoke(
            build_program(), ["review", *folders, "--format", "json", "--fail-on", fail_on]
        )
        assert done.exit_code == code, done.output
        cost = json.loads(done.stdout)["cost"]
        assert [cost[side]["month"] for side in ("before", "after")] == [146.02, 219.03]
