"""`denodo-ha review`: the page, its limits, acceptances, the gate, and each reader of templates."""

import ast
import copy
import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import build_program
from denodo_ha.environment.facts.review_findings import CATEGORY_OF
from denodo_ha.environment.model.environment import Acceptance
from denodo_ha.review.access_changes import access_findings
from denodo_ha.review.finding import Finding, finding, in_order, split_accepted
from denodo_ha.review.markdown_page import MOST_CHARACTERS, markdown_page
from denodo_ha.review.next_steps import DeployEffects
from denodo_ha.review.policy_changes import policy_findings
from denodo_ha.review.protection_changes import protection_findings
from denodo_ha.review.review import Review
from denodo_ha.review.stack_pair import StackPair
from tests.drill.sample_templates import cluster
from tests.support.assembly import ROOT, Assembly
from tests.support.configurations import changed, errors, minimal

NOTHING: Final = DeployEffects((), (), (), (), is_changed=False)
HOSTILE: Final = "\x1b[2J</details>```\n# forged <script>|`x`"
ARN: Final = "arn:aws:acm:us-east-1:111122223333:certificate/1"


def review_of(*findings: Finding) -> Review:
    return Review("prod", in_order(findings), (), NOTHING, ())


def pair(before: Mapping[str, Any], after: Mapping[str, Any]) -> StackPair:
    """Return a stack with resources before and after a change."""
    old, new = (
        SynthesisedStack("s", "eu-west-1", "", {"Resources": side}) for side in (before, after)
    )
    return StackPair("s", old, new)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def test_every_finding_has_a_category_and_is_reported_somewhere() -> None:
    reported = {
        node.args[0].value
        for file in (ROOT / "denodo_ha/review").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding"
        if isinstance(node.args[0], ast.Constant)
    }
    # These names are chosen in a variable.
    reported |= {"alarm-lost", "failure-worse", "node-replaced", "node-restarted"}
    reported |= {"instance-smaller", "haproxy-smaller", "access-from-anywhere", "access-widened"}
    assert reported == set(CATEGORY_OF)


class TestPage:
    def test_parts_in_their_order(self) -> None:
        findings = [finding("tls-off", "main", "t"), finding("node-removed", "main: n", "t")]
        page = markdown_page(review_of(*findings), "From a to b", "flowchart TB\n", ["Stack x"])
        parts = [
            "<!-- denodo-ha review: prod -->\n**2 findings to look at:** node-removed (main: n)",
            *("tls-off (main)", "## What gets worse", "## Protections turned off", "```mermaid"),
            *("## Afterwards", "<details><summary>cdk diff</summary>", "Stack x"),
        ]
        positions = [page.find(part) for part in parts]
        assert -1 not in positions
        assert positions == sorted(positions)

    def test_a_comment_of_a_pull_request_is_long_enough(self) -> None:
        many = [finding("iam-widened", f"cluster{i}", "x" * 400) for i in range(300)]
        diff = ["Stack x\n" + "[+] Something é\n" * 20_000]
        page = markdown_page(review_of(*many), "t" * 300, "flowchart TB\n" + "x\n" * 40_000, diff)
        assert len(page) <= MOST_CHARACTERS
        assert page.rstrip().endswith("</details>")
        assert "The rest is cut" in page
        assert "The picture is too large" in page
        assert "more: `denodo-ha review --format json` has all." in page
        assert "iam-widened (cluster0, cluster1, cluster2, cluster3 and 296 more)" in page

    def test_foreign_texts_stay_texts(self) -> None:
        item = finding("tls-off", HOSTILE, HOSTILE)
        page = markdown_page(review_of(item), HOSTILE, "", [HOSTILE])
        lines = page.split("\n")
        assert all(line.isprintable() for line in lines)
        # The differences are in a fence that is longer than the fence in their text.
        outside = page.partition("<details>")[0]
        assert "\n# forged" not in outside
        assert "<script>" not in outside
        assert "</details>" not in outside
        assert "\n````\n" in page


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

    @staticmethod
    def role(statement: Mapping[str, Any]) -> dict[str, Any]:
        document = {"Statement": [{"Effect": "Allow", **statement}]}
        return {"P": resource("IAM::ManagedPolicy", PolicyDocument=document)}

    @pytest.mark.parametrize(
        ("change", "is_wider"),
        [
            ({"Action": "s3:GetObject"}, False),
            ({"Resource": "arn:aws:s3:::bucket/a"}, False),
            ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
            ({"Action": ["s3:GetObject", "s3:PutObject"]}, True),
            ({"Resource": "*"}, True),
        ],
    )
    def test_statements_of_policies(self, change: dict[str, Any], *, is_wider: bool) -> None:
        base = {"Action": "s3:Get*", "Resource": "arn:aws:s3:::bucket/*"}
        found = list(policy_findings(pair(self.role(base), self.role(base | change))))
        assert bool(found) is is_wider

    def test_a_condition_removed_and_a_refusal_removed(self) -> None:
        base = {"Action": "a:b", "Resource": "*", "Condition": {"Bool": {"x": "true"}}}
        after = {key: value for key, value in base.items() if key != "Condition"}
        (found,) = policy_findings(pair(self.role(base), self.role(after)))
        assert (found.name, found.text) == ("iam-widened", "allows a:b on *")
        denied, other = (
            base | {"Effect": "Deny"},
            {"Action": "c:d", "Effect": "Deny", "Resource": "*"},
        )
        (found,) = policy_findings(pair(self.role(denied), self.role(other)))
        assert found.text.startswith("no longer denies a:b")

    def test_a_certificate_of_another_region(self) -> None:
        listener = resource(
            "ElasticLoadBalancingV2::Listener", Certificates=[{"CertificateArn": ARN}]
        )
        (found,) = protection_findings(pair({}, {"L": listener}))
        assert found.name == "certificate-of-another-region"
        assert "us-east-1 and the load balancer in eu-west-1" in found.text


def test_the_code_of_a_node_program_is_no_access(assembly_of: Callable[[str], Assembly]) -> None:
    """A new version of a program changes the hash in a policy's resource, and opens nothing."""
    ((name, before), *_) = assembly_of("shared-catalog").templates.items()
    text = json.dumps(before)
    (program,) = {
        part[:64] for part in text.split("s3://cdk-hnb659fds-assets-111122223333-eu-west-1/")[1:]
    }
    after = json.loads(text.replace(program, "0" * 64))
    assert after != before
    both = StackPair(
        name,
        SynthesisedStack(name, "eu-west-1", "", before),
        SynthesisedStack(name, "eu-west-1", "", after),
    )
    assert list(policy_findings(both)) == []


class TestCommand:
    """Two folders of cdk synth; the JSON report needs no CDK CLI."""

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[str, str]:
        base = cluster("a")
        new = copy.deepcopy(base)
        new["Resources"]["Front"]["Properties"]["Scheme"] = "internet-facing"
        # mypy does not count the items of a generator.
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

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "nothing to compare"),
            (["a"], "one folder cannot be compared"),
            (["a", "b", "--base", "main"], "--base REV: not together with two folders"),
            (
                ["a", "b", "--fail-on", "cost"],
                "'cost' is not a category; the categories are: worse",
            ),
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
