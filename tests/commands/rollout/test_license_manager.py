"""`roll`, `rollout` and `replace` take no node out while the License Manager does not answer."""

import json
from collections.abc import Callable

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed import node_agent
from denodo_ha.environment.loading.loader import load
from tests.commands.conftest import Run
from tests.commands.rollout.pinned_site import CLUSTER, NEW, OLD, Site

NO_ANSWER = "node1: the License Manager does not answer: the License Manager sm:10091: timed out"
Operation = Callable[[Site], object]
OPERATIONS: dict[str, Operation] = {
    "rollout": lambda site: site.rolling().roll_out(),
    "replace": lambda site: site.replacing(even_if_running=True).replace_node("node1"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_node_is_taken_out_without_it(site: Site, name: str) -> None:
    site.ask_for(OLD, NEW)
    site.agents.license = node_agent.UNLICENSED
    with pytest.raises(Refused, match=NO_ANSWER) as refused:
        OPERATIONS[name](site)
    assert "nothing was changed" in str(refused.value)
    assert "--without-license-manager" in str(refused.value)
    assert (site.agents.most_out, site.cdk.deploys, site.marked()) == (0, [], set())
    assert site.images()["node1"] == OLD
    site.agents.license = node_agent.DONE
    OPERATIONS[name](site)
    site.is_well()


def test_roll_takes_no_node_out_without_it(site: Site, denodo_ha: Run) -> None:
    site.agents.deploy(jvm={"vdp": "-Xmx2048m"})
    site.agents.license = node_agent.UNLICENSED
    done = denodo_ha("roll", "-c", str(site.file))
    assert done.exit_code == exit_codes.REFUSED
    assert NO_ANSWER in " ".join(done.stderr.split())
    assert (site.agents.most_out, site.agents.stale) == (0, {"node1", "node2", "node3"})


def test_it_is_asked_for_each_node_that_is_taken_out(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.rolling().roll_out()
    assert site.agents.licensed_by == ["node1", "node2", "node3"]
    site.rolling().roll_out()
    assert site.agents.licensed_by == ["node1", "node2", "node3"]


def test_another_node_asks_for_a_lost_one(site: Site) -> None:
    site.cloud.terminate(CLUSTER, "node1")
    site.agents.nodes["node2"].reachable = False
    site.agents.license = node_agent.UNLICENSED
    with pytest.raises(Refused, match="node3: the License Manager does not answer"):
        site.replacing().replace_node("node1")
    assert site.cdk.deploys == []
    site.agents.license = node_agent.DONE
    site.replacing().replace_node("node1")
    assert site.agents.licensed_by == ["node3", "node3"]


@pytest.mark.parametrize("code", [1, 2, 3, 70])
def test_a_node_that_cannot_ask_prevents_nothing(
    site: Site, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node program of an earlier version ends with exit code 2, for an unknown command."""
    site.ask_for(OLD, NEW)
    site.agents.license = code
    assert len(site.rolling().roll_out()) == 3
    assert "not known whether the License Manager answers" in capsys.readouterr().err


def test_a_document_of_an_earlier_version_prevents_nothing(site: Site) -> None:
    site.ask_for(OLD, NEW)
    stack = site.cloud.stack(CLUSTER)
    stack.template = json.loads(json.dumps(stack.template).replace('"license-manager", ', ""))
    assert len(site.rolling().roll_out()) == 3
    assert site.agents.licensed_by == []


def test_an_operator_may_go_on_without_it(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.agents.license = node_agent.UNLICENSED
    rolling = site.rolling(without_license_manager=True)
    assert len(rolling.roll_out()) == 3
    assert site.agents.licensed_by == []
    assert load(site.file).pins.root[CLUSTER]["node3"].image == NEW
