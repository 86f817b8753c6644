"""`denodo-ha review`: acceptances, the gate `--fail-on`, output files, and template readers."""

import ast
import copy
import json
import subprocess
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.main import build_program
from denodo_ha.drill.event_orders import search_orders
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.facts.review_findings import CATEGORY_OF
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.model.environment import Acceptance
from denodo_ha.plan.node_changes import Change
from denodo_ha.review import review_command
from denodo_ha.review.base_synthesis import commit_of
from denodo_ha.review.changes import outcome_findings
from denodo_ha.review.changes.access_changes import access_findings
from denodo_ha.review.changes.outcome_findings import compare_outcomes
from denodo_ha.review.changes.protection_changes import protection_findings
from denodo_ha.review.finding import Finding, finding, split_accepted
from denodo_ha.review.next_steps import DeployEffects, next_steps
from denodo_ha.review.stack_pair import StackPair
from tests.drill.sample_templates import Templates, cluster, model, properties, two_clusters
from tests.support.assembly import ROOT
from tests.support.configurations import changed, errors, minimal

ARN: Final = "arn:aws:acm:us-east-1:111122223333:certificate/1"


def pair(before: Mapping[str, Any], after: Mapping[str, Any]) -> StackPair:
    """Return a stack with resources before and after a change."""
    old, new = (
        SynthesisedStack("s", "eu-west-1", "", {"Resources": side}) for side in (before, after)
    )
    return StackPair("s", old, new)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def test_every_finding_has_a_category_and_is_reported_somewhere() -> None:
    nodes = [
        node
        for file in (ROOT / "denodo_ha/review").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
    ]
    calls = [
        node
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding"
    ]
    named = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert named <= set(CATEGORY_OF)
    # Some calls of `finding` pass the name in a variable. These names are literals elsewhere in the
    # code.
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert set(CATEGORY_OF) <= texts


class TestAcceptance:
    ITEMS: Final = (finding("tls-off", "main", "t"), finding("multi-az-off", "main", "t"))

    def split(self, until: str) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        accept = {"tls-off": Acceptance(why="w", until=until)}
        return split_accepted(self.ITEMS, accept, date(2026, 6, 1))

    def test_until_its_last_day(self) -> None:
        assert self.split("2026-06-01") == (self.ITEMS[1:], self.ITEMS[:1])
        assert self.split("2026-05-31") == (self.ITEMS, ())

    def test_the_configuration_knows_the_names(self, tmp_path: Path) -> None:
        entry = {"why": "w", "until": "2099-01-01"}
        assert errors(tmp_path, changed(minimal(), {"accept/tls-off": entry})) == []
        (error,) = errors(tmp_path, changed(minimal(), {"accept/tls-of": entry}))
        assert "did you mean tls-off?" in error.instead


class TestReaders:
    @staticmethod
    def rule(**properties: Any) -> dict[str, Any]:
        settings = {"GroupId": "sg-1", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 9}
        return resource("EC2::SecurityGroupIngress", **settings | properties)

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"CidrIp": "10.1.0.0/16"}, None),
            ({"ToPort": 8}, None),
            ({"CidrIp": "10.0.0.0/7"}, "access-widened"),
            ({"ToPort": 10}, "access-widened"),
            ({"IpProtocol": "-1"}, "access-widened"),
            ({"CidrIp": "0.0.0.0/0"}, "access-from-anywhere"),
            ({"CidrIpv6": "::/0", "CidrIp": None}, "access-from-anywhere"),
        ],
    )
    def test_rules_of_security_groups(self, change: dict[str, Any], name: str | None) -> None:
        base = {"CidrIp": "10.0.0.0/8"}
        after = {key: value for key, value in (base | change).items() if value is not None}
        found = access_findings(pair({"A": self.rule(**base)}, {"B": self.rule(**after)}))
        assert [item.name for item in found] == ([name] if name else [])

    def test_a_certificate_of_another_region(self) -> None:
        listener = resource(
            "ElasticLoadBalancingV2::Listener", Certificates=[{"CertificateArn": ARN}]
        )
        (found,) = protection_findings(pair({}, {"L": listener}))
        assert found.name == "certificate-of-another-region"
        assert "us-east-1 and the load balancer in eu-west-1" in found.text


class TestCommand:
    """Reviews of two folders of `cdk synth`; for the JSON report, no CDK CLI is needed."""

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[str, str]:
        base = cluster("a")
        new = copy.deepcopy(base)
        new["Resources"]["Front"]["Properties"]["Scheme"] = "internet-facing"
        # mypy does not know that the generator yields two items.
        return tuple(self.assembly(tmp_path / name, one) for name, one in (("b", base), ("n", new)))  # type: ignore[return-value]

    @staticmethod
    def assembly(folder: Path, template: Mapping[str, Any]) -> str:
        folder.mkdir()
        (folder / "t.json").write_text(json.dumps(template))
        stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "t.json"}}
        (folder / "manifest.json").write_text(json.dumps({"artifacts": {"site-a": stack}}))
        return str(folder)

    @staticmethod
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build_program(), ["review", *arguments])

    @pytest.mark.parametrize(
        ("fail_on", "code"),
        [
            ([], exit_codes.DONE),
            (["--fail-on", "protection,worse"], exit_codes.DONE),
            (["--fail-on", "worse, access"], exit_codes.NO),
            (["--fail-on", "replacement"], exit_codes.NO),
        ],
    )
    def test_the_gate(self, folders: tuple[str, str], fail_on: list[str], code: int) -> None:
        done = self.run(*folders, "--format", "json", *fail_on)
        assert done.exit_code == code, done.output
        report = json.loads(done.stdout)
        names = {item["name"]: item["category"] for item in report["findings"]}
        assert names == {"balancer-replaced": "replacement", "balancer-public": "access"}
        assert report["steps"][-1]["command"] == "denodo-ha verify -c CONFIG"

    def test_an_acceptance_of_the_configuration(
        self, folders: tuple[str, str], tmp_path: Path
    ) -> None:
        accept = {name: {"why": "w", "until": "2099-01-01"} for name in ("balancer-public",)}
        file = tmp_path / "prod.yaml"
        file.write_text(json.dumps(changed(minimal(), {"accept": accept})))
        done = self.run(*folders, "-c", str(file), "--format", "json", "--fail-on", "access")
        assert done.exit_code == exit_codes.DONE, done.output
        assert [item["name"] for item in json.loads(done.stdout)["accepted"]] == ["balancer-public"]

    def test_the_html_file(self, folders: tuple[str, str], tmp_path: Path) -> None:
        file = tmp_path / "review.html"
        done = self.run(*folders, "--format", "json", "--html", str(file))
        assert done.exit_code == exit_codes.DONE, done.output
        assert json.loads(done.stdout)["findings"]
        text = file.read_text()
        assert text.startswith("<!doctype html>")
        assert "balancer-public" in text
        assert "<svg" in text

    @pytest.mark.parametrize(
        ("file", "message"),
        [("", "is a folder"), ("none/review.html", "which is not a folder")],
    )
    def test_an_html_file_that_cannot_be_written(
        self, folders: tuple[str, str], tmp_path: Path, file: str, message: str
    ) -> None:
        done = self.run(*folders, "--html", str(tmp_path / file))
        assert (done.exit_code, done.stdout) == (exit_codes.USAGE, "")
        assert message in " ".join(done.stderr.split())

    def test_a_full_disk(self, folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(review_command, "_differences", lambda _: [])
        done = self.run(*folders, "--format", "json", "--html", "/dev/full")
        assert done.exit_code == exit_codes.FAILED
        assert "cannot be written: No space left on device" in " ".join(done.stderr.split())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "nothing to compare"),
            (["a"], "one folder cannot be compared"),
            (["a", "b", "--base", "main"], "--base cannot be given with two folders"),
            (
                ["a", "b", "--fail-on", "money"],
                "'money' is not a category; the categories are: worse",
            ),
            (["a", "b", "--fail-on", "cost:20"], "'20' is not a limit such as +20%"),
            (["a", "b"], "has no manifest.json"),
        ],
    )
    def test_wrong_usage(
        self, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a").mkdir()
        done = self.run(*arguments)
        assert done.exit_code == exit_codes.USAGE
        assert message in done.stderr


def test_an_empty_revision_is_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(base: str, _config: str) -> None:
        message = f"the revision is {base!r}"
        raise UsageError(message)

    monkeypatch.setattr(review_command, "synthesised_since", refuse)
    done = TestCommand.run("-c", "active-passive", "--base", "")
    assert done.exit_code == exit_codes.USAGE
    assert "the revision is ''" in done.stderr


def test_a_shallow_clone_and_no_clone(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, timeout=60)

    git("init", "--quiet", "whole")
    for text in ("first", "second"):
        git("-C", "whole", "commit", "--quiet", "--allow-empty", "--message", text)
    git("clone", "--quiet", "--depth", "1", f"file://{tmp_path}/whole", "shallow")
    with pytest.raises(UsageError, match=r"the clone is shallow: `git fetch --unshallow`"):
        commit_of("HEAD^1", tmp_path / "shallow")
    with pytest.raises(UsageError, match=r"'nope'; name another revision [^;]*$"):
        commit_of("nope", tmp_path / "whole")
    with pytest.raises(UsageError, match=r"not a clone .*; give two folders of cdk synth"):
        commit_of("HEAD", tmp_path)


class TestEventOrders:
    @staticmethod
    def compared(flaw: Callable[[Templates], Any] | None, *, before: bool = False) -> Any:
        """Compare the outcomes of sound templates with those of templates that have a flaw.

        With `before`, both templates have the flaw. If `flaw` is None, neither has a flaw.
        """
        base, new = two_clusters("alias"), two_clusters("alias")
        for templates in (new, base) if before else (new,):
            if flaw is not None:
                flaw(templates)
        return compare_outcomes(model(base), model(new))

    @staticmethod
    def unwatched(templates: Templates) -> None:
        properties(templates, "names", "Second")["AliasTarget"]["EvaluateTargetHealth"] = False

    def test_an_order_that_leads_to_a_dead_cluster(self) -> None:
        compared = self.compared(self.unwatched)
        (found,) = [item for item in compared.findings if item.name == "event-order-worse"]
        text = "no longer true: DNS never answers with a cluster that does not serve"
        assert found.text.startswith(text)
        assert "Shortest order: at the start DNS answers site-a; " in found.text
        assert "there are orders after which DNS answers wrongly" in compared.compared[1]

    def test_places_have_no_comma_which_separates_places(self) -> None:
        base, new = two_clusters("alarm"), two_clusters("alarm")
        properties(new, "site-a", "Watch")["HealthCheckConfig"]["Disabled"] = True
        places = {item.where for item in compare_outcomes(model(base), model(new)).findings}
        assert places == {"site-a", "site-a and site-b", "sql.example.org"}

    def test_an_order_that_was_bad_before(self) -> None:
        findings = self.compared(self.unwatched, before=True).findings
        assert [item for item in findings if item.name == "event-order-worse"] == []

    def test_without_clusters_nothing_is_compared(self) -> None:
        sound, empty = model(two_clusters("alias")), build_model(())
        for base, new, side in ((empty, sound, "before"), (sound, empty, "after")):
            compared = compare_outcomes(base, new)
            assert compared.findings == ()
            assert compared.compared[0].startswith("No failures were compared")
            assert f"templates {side} the change have no" in compared.compared[0]

    def test_the_search_is_bounded_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = self.compared(None)
        assert whole.findings == ()
        assert whole.compared[1].startswith("Searched: every order of failures, repairs")
        assert whole.compared[1].endswith("after each of these orders, DNS answers correctly.")
        monkeypatch.setattr(outcome_findings, "MOST_STATES", 20)
        assert "the shortest orders" in self.compared(None).compared[1]
        (result,) = search_orders(model(two_clusters("alias")), states_per_name=20)
        assert not result.complete
        # The search adds all successors of a state before the search checks the limit, so the
        # number of states may exceed the limit.
        assert 20 <= result.states < 40


def test_nodes_that_stop_together_have_their_cluster() -> None:
    nodes = [Change(cluster, node, Effect.RESTART) for cluster in "ab" for node in ("n1", "n2")]
    effects = DeployEffects(nodes, (), (), (), is_changed=True)
    (first, *_) = next_steps(effects, "prod", removed=(), findings=())
    nodes_of_both = "without pins, n1, n2 of a; n1, n2 of b would stop serving at the same time"
    assert first.why.startswith(nodes_of_both)
