"""The documented policy of the role with which a workflow reads what is deployed."""

import json
import re
from pathlib import Path
from typing import Any

from denodo_ha.cli import exit_codes
from tests.commands.conftest import Clouds, Run, Templates
from tests.support.assembly import ROOT
from tests.support.policy_simulator import allows

PAGE = ROOT / "docs/how-to/ci.md"
ACTION_PREFIX = {"elbv2": "elasticloadbalancing"}


def documents() -> list[dict[str, Any]]:
    """Return the policies on the page `ci.md`: trust policy and permissions of the role."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [json.loads(block) for block in blocks]


def test_the_role_trusts_one_branch_of_one_repository() -> None:
    trust, _ = documents()
    (statement,) = trust["Statement"]
    conditions = statement["Condition"]["StringEquals"]
    assert conditions["token.actions.githubusercontent.com:sub"].endswith(":ref:refs/heads/main")
    assert conditions["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    assert "*" not in json.dumps(trust)


def test_it_only_reads() -> None:
    _, permissions = documents()
    actions = [action for each in permissions["Statement"] for action in each["Action"]]
    assert [a for a in actions if not re.match(r"[a-z0-9]+:(Describe|Get|List|TestDNS)", a)] == []
    assert not any("*" in action for action in actions)


def test_it_suffices_for_plan_and_status(
    clouds: Clouds, denodo_ha: Run, templates_of: Templates, tmp_path: Path
) -> None:
    example = "active-passive"
    cloud = clouds(example)
    cloud.calls.forget()
    templates = templates_of(ROOT / f"config/examples/{example}.yaml")
    artifacts = {}
    for name, template in templates.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
        settings = {"stackName": name, "templateFile": f"{name}.json"}
        artifacts[name] = {"type": "aws:cloudformation:stack", "properties": settings}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    planned = denodo_ha("plan", "-c", example, str(tmp_path))
    assert planned.exit_code in {exit_codes.DONE, exit_codes.NO}, planned.output
    shown = denodo_ha("status", "-c", example, "--no-ask")
    assert shown.exit_code in {exit_codes.DONE, exit_codes.NO}, shown.output
    _, permissions = documents()
    called = {
        f"{ACTION_PREFIX.get(call.service, call.service)}:{call.operation}"
        for call in cloud.calls.made
    }
    assert {"cloudformation:GetTemplate", "elasticloadbalancing:DescribeTargetHealth"} <= called
    assert [a for a in called if not allows(permissions["Statement"], a, "*", {})] == []
