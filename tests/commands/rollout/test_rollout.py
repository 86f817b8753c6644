"""`denodo-ha rollout` and `pin`: machines change one at a time, whatever goes wrong."""

import copy
import json
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Failed, Interrupted, Refused
from tests.commands.account.recorded_changes import changes_of
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Run
from tests.commands.rollout.pinned_site import CLUSTER, NEW, OLD, KilledError, Site
from tests.support.assembly import Template


def test_pin_writes_what_is_deployed_and_keeps_comments(site: Site, denodo_ha: Run) -> None:
    assert site.images() == dict.fromkeys(("node1", "node2", "node3"), OLD)
    text = site.pins.read_text().replace(OLD, NEW, 1) + "# the end\n"
    site.pins.write_text(text)
    assert denodo_ha("pin", "-c", str(site.file), "--dry-run").stdout == text.replace(NEW, OLD)
    assert site.pins.read_text() == text
    denodo_ha("pin", "-c", str(site.file))
    assert site.pins.read_text() == text.replace(NEW, OLD)
    assert "already" in denodo_ha("pin", "-c", str(site.file)).stdout


def test_pin_writes_the_first_boot_that_a_node_was_made_with(site: Site, denodo_ha: Run) -> None:
    assert "first_boot: 2" in site.pins.read_text()
    assert set(site.first_boots().values()) == {2}
    site.make_with_the_original_text()
    assert denodo_ha("pin", "-c", str(site.file)).exit_code == exit_codes.DONE
    assert "first_boot" not in site.pins.read_text()
    assert set(site.first_boots().values()) == {1}


@pytest.mark.parametrize(("setting", "text"), [((OLD, NEW), 2), (("m7i.xlarge", "m7i.2xlarge"), 1)])
def test_a_new_machine_gets_the_new_text_and_a_restarted_one_keeps_its_own(
    site: Site, denodo_ha: Run, setting: tuple[str, str], text: int
) -> None:
    site.make_with_the_original_text()
    assert denodo_ha("pin", "-c", str(site.file)).exit_code == exit_codes.DONE
    assert site.rolling().roll_out() == []
    site.ask_for(*setting)
    assert site.rolling().roll_out() == ["node1", "node2", "node3"]
    assert site.cdk.deploys == [["node1"], ["node2"], ["node3"]]
    assert set(site.first_boots().values()) == {text}
    template = json.dumps(site.cloud.stack(CLUSTER).template)
    assert template.count("# denodo-ha first boot 2") == (3 if text == 2 else 0)
    site.is_well()


def test_a_pin_of_another_text_than_the_node_has_is_corrected(site: Site) -> None:
    """A pin changed by hand is corrected: another first-boot text would restart the node."""
    site.pins.write_text(site.pins.read_text().replace(", first_boot: 2", "", 1))
    assert sorted(site.first_boots().values()) == [1, 2, 2]
    assert site.rolling().roll_out() == ["node1"]
    assert set(site.first_boots().values()) == {2}
    assert site.cdk.deploys == [[]]


def test_nothing_to_do(site: Site) -> None:
    assert changes_of(site.rolling().roll_out) == []
    assert site.cdk.deploys == []


def test_every_node_one_at_a_time(site: Site) -> None:
    site.ask_for(OLD, NEW)
    changes = changes_of(site.rolling().roll_out)
    assert [change.subject for change in changes] == ["node1", "node2", "node3"]
    assert {change.before for change in changes} == {f"image {OLD} -> {NEW}"}
    assert {change.after for change in changes} == {"in service, as configured"}
    assert site.cdk.deploys == [["node1"], ["node2"], ["node3"]]
    assert set(site.images().values()) == {NEW}
    site.is_well()


def test_a_type_keeps_the_machine(site: Site) -> None:
    before = site.cloud.nodes(CLUSTER)
    site.ask_for("m7i.xlarge", "m7i.2xlarge")
    assert len(site.rolling().roll_out()) == 3
    assert site.cloud.nodes(CLUSTER) == before
    site.is_well()


def test_no_empty_catalog_in_a_shared_group(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.cdk.confirmed = False
    with pytest.raises(Failed, match=r"denodo-ha enable node1 --metadata-ok"):
        site.rolling().roll_out()
    assert (site.agents.out(), site.marked()) == ({"node1"}, {"node1"})
    with pytest.raises(Failed, match=r"denodo-ha enable node1 --metadata-ok"):
        site.rolling().roll_out()
    assert site.cdk.deploys == [["node1"]]
    site.agents.nodes["node1"].confirmed = site.cdk.confirmed = True
    assert site.rolling().roll_out() == ["node1", "node2", "node3"]
    site.is_well()


def test_a_deploy_that_rolls_back(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.cdk.fails = "`cdk deploy` failed with status 1"
    with pytest.raises(Failed, match=r"pin of node1 was restored, node1 is back in service"):
        site.rolling().roll_out()
    assert set(site.images().values()) == {OLD}
    site.is_well()
    site.cdk.fails = ""
    assert len(site.rolling().roll_out()) == 3
    site.is_well()


def test_a_stack_that_is_stuck_is_left_as_it_is(site: Site) -> None:
    site.ask_for(OLD, NEW)
    stack = site.cloud.stack(CLUSTER)

    def stuck() -> None:
        stack.status = "UPDATE_ROLLBACK_FAILED"
        raise Failed("`cdk deploy` failed with status 1")

    site.cdk.before = stuck
    with pytest.raises(Failed, match=r"UPDATE_ROLLBACK_FAILED: node1 stays out"):
        site.rolling().roll_out()
    assert (site.agents.out(), site.images()["node1"]) == ({"node1"}, NEW)


def test_a_deploy_that_would_touch_another_node_is_refused(site: Site) -> None:
    site.ask_for(OLD, NEW)
    text = site.pins.read_text()
    site.pins.write_text(text.replace(f"node2: {{image: {OLD}", f"node2: {{image: {NEW}"))
    site.pins.write_text(
        site.pins.read_text().replace(f"node3: {{image: {OLD}", f"node3: {{image: {NEW}")
    )
    with pytest.raises(Refused, match=r"would also touch node3 \(replacement: ImageId"):
        site.rolling().roll_out()
    assert (site.cdk.deploys, site.agents.out(), site.marked()) == ([], set(), set())


def test_a_deploy_that_would_create_another_node_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy that creates a node is refused: the node would have no metadata.

    A rollback would also delete the node again.
    """
    site.ask_for(OLD, NEW)
    moved = site.cdk.template

    def with_a_new_node(config: Path) -> Template:
        template = moved(config)
        resources = template["Resources"]
        instance = next(
            resource for resource in resources.values() if resource["Type"] == "AWS::EC2::Instance"
        )
        new = copy.deepcopy(instance)
        for tag in new["Properties"]["Tags"]:
            if tag["Key"] == "denodo:node":
                tag["Value"] = "node4"
        return {**template, "Resources": {**resources, "Node4": new}}

    monkeypatch.setattr(site.cdk, "template", with_a_new_node)
    with pytest.raises(Refused, match=r"would also touch node4 \(new: "):
        site.rolling().roll_out()
    assert (site.cdk.deploys, site.agents.out(), site.marked()) == ([], set(), set())


def test_too_few_would_serve(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.cloud.become(CLUSTER, "node3", UNHEALTHY)
    site.cloud.become(CLUSTER, "node2", UNHEALTHY)
    with pytest.raises(Refused, match="healthy nodes would be left"):
        site.rolling().roll_out()
    assert site.cdk.deploys == []


def test_a_plain_deploy_in_between_is_found(site: Site) -> None:
    """The rollout is killed after it has changed a pin; a deploy by hand then replaces the node."""
    site.ask_for(OLD, NEW)

    def killed() -> None:
        raise KilledError

    site.cdk.before = killed
    with pytest.raises(KilledError):
        site.rolling().roll_out()
    assert site.images()["node1"] == NEW
    site.cdk.before = lambda: None
    out = site.file.parent / "cdk.out"
    site.cdk.synth(site.file, out)
    site.cdk.deploy(out, site.cloud.stack(CLUSTER).name, site.cloud.clock)
    assert site.rolling(take_over=True).roll_out() == ["node1", "node2", "node3"]
    assert site.cdk.deploys == [["node1"], ["node2"], ["node3"]]
    site.is_well()


def test_killed_around_a_deploy_and_resumed(site: Site) -> None:
    def killed() -> None:
        raise KilledError

    for number, moment in enumerate(("before", "after")):
        old, new = (OLD, NEW) if number == 0 else (NEW, OLD)
        site.ask_for(old, new)
        setattr(site.cdk, moment, killed)
        with pytest.raises(KilledError):
            site.rolling().roll_out()
        setattr(site.cdk, moment, lambda: None)
        site.rolling(take_over=True).roll_out()
        assert set(site.images().values()) == {new}
        site.is_well()


def test_killed_at_each_change_of_a_node_and_resumed(site: Site) -> None:
    """Only node1 gets another image: the changes of the other nodes are of the same kinds."""
    faults = site.cloud.faults
    new, own = OLD, f"instance: {{image: {OLD}}}"
    site.ask_for("node1: {zone: eu-west-1a}", f"node1: {{zone: eu-west-1a, {own}}}")
    for on in range(2, 16):
        old, new = new, OLD if new == NEW else NEW
        site.ask_for(f"instance: {{image: {old}}}", f"instance: {{image: {new}}}")
        faults.heal()
        kind = KilledError if on % 2 else KeyboardInterrupt
        faults.interrupt(on=on, after=bool(on % 2), changing=True, kind=kind)
        site.agents.install()
        with pytest.raises((Interrupted, KilledError)) as ended:
            site.rolling().roll_out()
        changed = site.agents.out() or site.marked()
        assert not (changed and "nothing was changed" in str(ended.value))
        faults.heal()
        site.agents.install()
        site.rolling(take_over=True).roll_out()
        assert site.images() == {"node1": new, "node2": OLD, "node3": OLD}
        site.is_well()


def test_without_pins_nothing_happens(site: Site, denodo_ha: Run) -> None:
    site.pins.unlink()
    done = denodo_ha("rollout", "-c", str(site.file))
    assert done.exit_code == exit_codes.REFUSED
    assert f"denodo-ha pin -c {site.file}" in done.stderr.replace("\n", " ")


def test_the_command(site: Site, denodo_ha: Run) -> None:
    done = denodo_ha("rollout", "-c", str(site.file))
    assert (done.exit_code, done.stdout) == (0, "main: every node is as configured\n")
    site.ask_for(OLD, NEW)
    done = denodo_ha("rollout", "-c", str(site.file), "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == f"main node1: image {OLD} -> {NEW}"
    assert site.agents.most_out == 0
