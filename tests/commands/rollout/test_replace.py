"""`denodo-ha replace`: one instance is replaced, whatever goes wrong, and only once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import CommandError, Failed, Interrupted, Refused
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.pins import Pin
from denodo_ha.rollout import pins_file
from tests.commands.account.cloud import Cloud
from tests.commands.account.recorded_changes import changes_of
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Run
from tests.commands.rollout.pinned_site import CLUSTER, NEW, OLD, KilledError, Site

NODE = "node2"
COMMAND = f"denodo-ha replace {NODE} --cluster {CLUSTER}"
OPERATOR = "ann@desk"
NO_CAPACITY = (
    'Resource handler returned message: "We currently do not have sufficient m7i.xlarge capacity '
    "in the Availability Zone you requested (eu-west-1b). Our system will be working on "
    "provisioning additional capacity. You can currently get m7i.xlarge capacity by not specifying "
    "an Availability Zone in your request or choosing eu-west-1a, eu-west-1c. "
    '(Service: Ec2)"\n'
)


def lose(site: Site) -> None:
    site.cloud.terminate(CLUSTER, NODE)
    # The SSM agent of the new instance answers, but its metadata is not confirmed yet.
    site.agents.nodes[NODE].confirmed = False


def pin(site: Site) -> Pin:
    found = load(site.file).pins.of(CLUSTER, NODE)
    assert found is not None
    return found


def logical_ids(site: Site) -> dict[str, str]:
    template = site.cloud.stack(CLUSTER).template
    return {
        output: value["Value"]["Ref"]
        for output, value in template["Outputs"].items()
        if output.startswith("NodeId")
    }


def drained_by_operator(site: Site, why: str = "broken disk") -> DrainTag:
    tag = DrainTag.now(site.cloud.clock, why=why, who=OPERATOR)
    stack = site.cloud.stack(CLUSTER)
    client = site.cloud.client("ec2", stack.region)
    id_ = site.cloud.nodes(CLUSTER)[NODE]
    client.create_tags(Resources=[id_], Tags=[{"Key": "denodo:drained", "Value": tag.text}])
    site.cloud.take_out(CLUSTER, NODE)
    return tag


def mark_of(site: Site) -> str:
    mark = site.cloud.mark(CLUSTER, NODE)
    return mark.why if mark is not None else ""


def is_replaced(site: Site, generation: int = 2) -> None:
    assert (pin(site).generation, pin(site).replacing) == (generation, None)
    assert pin(site).model_copy(update={"generation": 1}) == load(site.file).pins.of(
        CLUSTER, "node1"
    )
    assert logical_ids(site)["NodeIdnode2"].endswith(f"G{generation}")
    site.is_well()


def test_a_lost_node_is_made_anew_and_nothing_else_changes(site: Site) -> None:
    before, ids = site.cloud.nodes(CLUSTER), logical_ids(site)
    lose(site)
    (change,) = changes_of(lambda: site.replacing().replace_node(NODE))
    assert change.subject == NODE
    assert change.before.endswith("generation 1 -> 2, not healthy")
    assert change.after.startswith(f"the instance of {NODE} is i-")
    assert change.after.endswith(" now, generation 2, in service")
    is_replaced(site)
    assert site.cdk.deploys == [[NODE]]
    after = site.cloud.nodes(CLUSTER)
    assert {node for node in before if before[node] != after[node]} == {NODE}
    assert {name for name, id_ in logical_ids(site).items() if ids[name] != id_} == {"NodeIdnode2"}
    assert logical_ids(site)["NodeIdnode2"] == ids["NodeIdnode2"] + "G2"


def test_lost_again(site: Site) -> None:
    for generation in (2, 3):
        lose(site)
        site.replacing().replace_node(NODE)
        is_replaced(site, generation)
    assert site.cdk.deploys == [[NODE], [NODE]]


def test_another_node_that_is_not_healthy_does_not_prevent_it(site: Site) -> None:
    """A lost node serves no client, so `replace` is allowed although node1 is unhealthy."""
    site.cloud.become(CLUSTER, "node1", UNHEALTHY)
    lose(site)
    site.replacing().replace_node(NODE)
    assert pin(site).generation == 2


def test_a_node_that_exists_is_refused(site: Site, denodo_ha: Run) -> None:
    done = denodo_ha("replace", NODE, "-c", str(site.file))
    assert (done.exit_code, site.cdk.deploys) == (exit_codes.REFUSED, [])
    assert "is not lost" in done.stderr
    assert "--even-if-running" in done.stderr
    site.cloud.stop(CLUSTER, NODE)
    with pytest.raises(Refused, match=r"aws ec2 start-instances --region eu-west-1 --instance-ids"):
        site.replacing().replace_node(NODE)
    assert pin(site).generation == 1


def test_even_if_running(site: Site) -> None:
    old = site.cloud.nodes(CLUSTER)[NODE]
    site.replacing(even_if_running=True).replace_node(NODE)
    is_replaced(site)
    assert site.cloud.nodes(CLUSTER)[NODE] != old
    # The node was taken out of its target groups before the deploy, and was the only one out.
    assert site.agents.most_out == 1


def test_a_running_node_is_not_taken_out_if_too_few_would_serve(site: Site) -> None:
    site.cloud.become(CLUSTER, "node1", UNHEALTHY)
    with pytest.raises(Refused, match="healthy nodes would be left"):
        site.replacing(even_if_running=True).replace_node(NODE)
    assert (pin(site), site.cdk.deploys, site.marked()) == (
        load(site.file).pins.of(CLUSTER, "node1"),
        [],
        set(),
    )


def test_without_confirmed_metadata_it_stays_out(site: Site) -> None:
    lose(site)
    site.cdk.confirmed = False
    for _ in range(2):
        with pytest.raises(Failed, match=rf"denodo-ha enable {NODE} --metadata-ok") as failed:
            site.replacing().replace_node(NODE)
        # The message names `enable` and not a second run: after `enable` the node is no longer
        # lost, so `replace` would refuse.
        assert "run this command again" not in str(failed.value)
        assert (site.agents.out(), mark_of(site)) == ({NODE}, "denodo-ha replace, generation 2")
    assert site.cdk.deploys == [[NODE]]
    site.agents.nodes[NODE].confirmed = True
    site.replacing(even_if_running=True).replace_node(NODE)
    assert site.cdk.deploys == [[NODE]]
    is_replaced(site)


@pytest.mark.parametrize("lost", [True, False])
def test_a_drain_tag_moves_with_the_node(site: Site, *, lost: bool) -> None:
    tag = drained_by_operator(site)
    if lost:
        lose(site)
    done = site.replacing(even_if_running=not lost).replace_node(NODE)
    assert f"denodo-ha enable {NODE}" in done
    assert site.cloud.mark(CLUSTER, NODE) == tag
    assert site.agents.out() == {NODE}
    assert (pin(site).generation, pin(site).replacing) == (2, None)


def test_a_drain_tag_moves_also_if_the_command_is_killed(site: Site) -> None:
    tag = drained_by_operator(site)

    def killed() -> None:
        raise KilledError

    site.cdk.after = killed
    with pytest.raises(KilledError):
        site.replacing(even_if_running=True).replace_node(NODE)
    assert site.cloud.mark(CLUSTER, NODE) is None
    site.cdk.after = lambda: None
    site.replacing(take_over=True).replace_node(NODE)
    assert site.cloud.mark(CLUSTER, NODE) == tag
    assert (site.agents.out(), site.cdk.deploys) == ({NODE}, [[NODE]])


def test_the_tag_of_another_command_does_not_move(site: Site) -> None:
    drained_by_operator(site, "denodo-ha roll")
    lose(site)
    site.replacing().replace_node(NODE)
    is_replaced(site)


@pytest.mark.parametrize("kind", ["lost", "running"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_the_deploy_and_continued(site: Site, kind: str, moment: str) -> None:
    def killed() -> None:
        raise KilledError

    if kind == "lost":
        lose(site)
    setattr(site.cdk, moment, killed)
    with pytest.raises(KilledError):
        site.replacing(even_if_running=kind == "running").replace_node(NODE)
    setattr(site.cdk, moment, lambda: None)
    assert pin(site).replacing is not None
    with pytest.raises(Refused, match=COMMAND):
        site.rolling(take_over=True).roll_out()
    site.replacing(take_over=True, even_if_running=True).replace_node(NODE)
    assert site.cdk.deploys == [[NODE]]
    is_replaced(site)


@pytest.mark.parametrize("running", [False, True])
def test_killed_at_each_change_and_continued(site: Site, *, running: bool) -> None:
    """However often `replace` is killed and run again, exactly one new instance is created."""
    faults, ended = site.cloud.faults, 0
    for on in range(2, 30):
        if not running:
            lose(site)
        before = len(site.cdk.deploys)
        faults.heal()
        kind = KilledError if on % 2 else KeyboardInterrupt
        faults.interrupt(on=on, after=bool(on % 2), changing=True, kind=kind)
        site.agents.install()
        try:
            site.replacing(even_if_running=running).replace_node(NODE)
            ended += 1
        except (Interrupted, KilledError):
            faults.heal()
            site.agents.install()
            if len(site.cdk.deploys) > before and not site.marked() and not pin(site).replacing:
                # The killed command has done everything except the release of its lock.
                is_replaced(site, pin(site).generation)
                continue
            site.replacing(take_over=True, even_if_running=running).replace_node(NODE)
        assert site.cdk.deploys[before:] == [[NODE]], on
        is_replaced(site, pin(site).generation)
        if ended:
            break
    assert ended, "the command makes more changes than this test kills"


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_killed_at_each_write_of_the_pins_file(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, running: bool, late: bool
) -> None:
    write = pins_file.write
    for number in (1, 2):
        writes: list[Path] = []

        def killing(file: Path, text: str | None, number: int = number) -> None:
            if file == site.pins:
                writes.append(file)  # noqa: B023 - called within this round
            dies = len(writes) == number and file == site.pins  # noqa: B023 - called within this round
            if dies and not late:
                raise KilledError
            write(file, text)
            if dies:
                raise KilledError

        if not running:
            lose(site)
        before = len(site.cdk.deploys)
        monkeypatch.setattr(pins_file, "write", killing)
        with pytest.raises(KilledError):
            site.replacing(even_if_running=running).replace_node(NODE)
        monkeypatch.setattr(pins_file, "write", write)
        site.replacing(take_over=True, even_if_running=running).replace_node(NODE)
        assert site.cdk.deploys[before:] == [[NODE]]
        is_replaced(site, pin(site).generation)


def test_continued_on_another_machine(site: Site) -> None:
    """The command continues without the pins file of the killed command's machine."""
    pins = site.pins.read_text()
    lose(site)
    site.cdk.confirmed = False
    with pytest.raises(Failed, match="--metadata-ok"):
        site.replacing().replace_node(NODE)
    site.pins.write_text(pins)
    site.agents.nodes[NODE].confirmed = True
    site.replacing().replace_node(NODE)
    assert site.cdk.deploys == [[NODE]]
    is_replaced(site)


@pytest.mark.parametrize("running", [False, True])
def test_no_capacity_leaves_the_old_pin_and_says_what_to_try(site: Site, *, running: bool) -> None:
    if not running:
        lose(site)
    stack = site.cloud.stack(CLUSTER)
    stack.events = [
        event("AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_COMPLETE"),
        event("AWS::EC2::Instance", "CREATE_FAILED", NO_CAPACITY),
        event("AWS::CloudFormation::Stack", "UPDATE_IN_PROGRESS", "User Initiated"),
        event("AWS::EC2::Instance", "CREATE_FAILED", "of an earlier deploy"),
    ]
    site.cdk.fails = "`cdk deploy` failed with status 1"
    before = site.pins.read_text()
    with pytest.raises(Failed) as failed:
        site.replacing(even_if_running=running).replace_node(NODE)
    message = str(failed.value)
    assert "no capacity for m7i.xlarge in the zone of node2" in message
    assert f"`denodo-ha replace {NODE} --type TYPE --cluster {CLUSTER} -c " in message
    assert "zone to one of eu-west-1a, eu-west-1c" in message
    assert ("is still lost" in message) is not running
    assert site.pins.read_text() == before
    assert site.marked() == set()
    site.cdk.fails = ""
    site.replacing(even_if_running=running, instance_type="m7i.2xlarge").replace_node(NODE)
    assert (pin(site).type, pin(site).generation) == ("m7i.2xlarge", 2)
    site.is_well()


def test_capacity_that_cannot_be_reserved_is_named_as_such(site: Site) -> None:
    lose(site)
    site.cloud.stack(CLUSTER).events = [
        event("AWS::EC2::CapacityReservation", "CREATE_FAILED", NO_CAPACITY),
        event("AWS::CloudFormation::Stack", "UPDATE_IN_PROGRESS", "User Initiated"),
    ]
    site.cdk.fails = "`cdk deploy` failed with status 1"
    with pytest.raises(Failed) as failed:
        site.replacing().replace_node(NODE)
    message = str(failed.value)
    assert f"cannot reserve the places of clusters.{CLUSTER}.capacity" in message
    assert f"`denodo-ha replace {NODE} --type TYPE --cluster {CLUSTER} -c " in message
    assert "write a smaller capacity.reserve or remove" in message


def event(kind: str, status: str, reason: str = "") -> dict[str, str]:
    return {
        "StackId": "arn",
        "EventId": status,
        "StackName": "denodo80-main",
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": "2026-01-01T00:00:00Z",
    }


def test_a_sick_node_is_not_waited_for_after_a_failed_deploy(site: Site) -> None:
    site.cloud.become(CLUSTER, NODE, UNHEALTHY)
    site.cdk.fails = "`cdk deploy` failed with status 1"
    with pytest.raises(Failed, match=rf"was not healthy before.*denodo-ha enable {NODE}"):
        site.replacing(even_if_running=True).replace_node(NODE)
    assert pin(site).generation == 1
    # The drain tag of the failed command is still there: it names `replace`, so `replace` may
    # continue.
    assert mark_of(site) == "denodo-ha replace, generation 2"
    site.cdk.fails = ""
    site.replacing().replace_node(NODE)
    assert pin(site).generation == 2


def test_a_deploy_that_would_touch_another_node_is_refused(site: Site) -> None:
    lose(site)
    text = site.pins.read_text()
    site.pins.write_text(text.replace(f"node3: {{image: {OLD}", f"node3: {{image: {NEW}"))
    with pytest.raises(Refused, match=r"would also touch node3 \(replacement: ImageId"):
        site.replacing().replace_node(NODE)
    assert (site.cdk.deploys, pin(site).generation) == ([], 1)


def test_every_command_names_it_instead_of_waiting(site: Site, denodo_ha: Run) -> None:
    lose(site)
    said: dict[str, tuple[int, str]] = {}
    for words in (
        ("roll",),
        ("rollout",),
        ("roll", "--dry-run"),
        ("enable", NODE),
        ("drain", NODE),
        ("status", "--no-ask"),
        ("plan", str(assembly(site))),
        ("pin", "--dry-run"),
    ):
        done = denodo_ha(*words, "-c", str(site.file))
        said[" ".join(words)] = (done.exit_code, " ".join(done.output.split()))
    assert {words for words, (_, text) in said.items() if COMMAND not in text} == set()
    refused = {words for words, (code, _) in said.items() if code == exit_codes.REFUSED}
    assert refused == {"roll", "rollout", "roll --dry-run", f"enable {NODE}", f"drain {NODE}"}
    assert site.cdk.deploys == []


def assembly(site: Site) -> Path:
    out = site.file.parent / "planned"
    site.cdk.synth(site.file, out)
    return out


def test_plan_shows_a_replacement_that_is_not_finished(site: Site, denodo_ha: Run) -> None:
    lose(site)

    def killed() -> None:
        raise KilledError

    site.cdk.before = killed
    with pytest.raises(KilledError):
        site.replacing().replace_node(NODE)
    done = denodo_ha("plan", str(assembly(site)), "-c", str(site.file))
    assert "generation 1 -> 2" in done.stdout
    assert (
        f"the replacement of {NODE} is not finished: run `{COMMAND} -c {site.file}`" in done.stdout
    )
    done = denodo_ha("plan", str(assembly_again(site)), "-c", str(site.file), "--format", "json")
    (lost,) = json.loads(done.stdout)["lost"]
    assert (lost["name"], lost["state"]) == (NODE, "terminated")


def assembly_again(site: Site) -> Path:
    return site.file.parent / "planned"


def test_a_node_that_is_lost_while_it_is_waited_for(site: Site) -> None:
    lose(site)
    agent = site.agents.nodes[NODE]
    agent.reachable = False
    site.cdk.after = lambda: site.cloud.terminate(CLUSTER, NODE)
    with pytest.raises(CommandError, match=rf"{NODE} is lost.*{COMMAND}"):
        site.replacing().replace_node(NODE)
    site.cdk.after, agent.reachable = (lambda: None), True
    site.replacing().replace_node(NODE)
    is_replaced(site, 3)


def test_pin_keeps_a_replacement_that_is_not_finished(site: Site, denodo_ha: Run) -> None:
    lose(site)

    def killed() -> None:
        raise KilledError

    site.cdk.after = killed
    with pytest.raises(KilledError):
        site.replacing().replace_node(NODE)
    site.cdk.after = lambda: None
    assert denodo_ha("pin", "-c", str(site.file)).exit_code == exit_codes.DONE
    assert (pin(site).generation, pin(site).replacing is None) == (2, False)
    site.replacing(take_over=True).replace_node(NODE)
    is_replaced(site)


def test_an_existing_instance_is_not_replaced(
    clouds: Callable[[str], Cloud], denodo_ha: Run
) -> None:
    cloud = clouds("adopted")
    cluster = next(iter(cloud.environment.clusters))
    node = next(iter(cloud.nodes(cluster)))
    done = denodo_ha("replace", node, "-c", "adopted", "--cluster", cluster)
    assert done.exit_code == exit_codes.REFUSED
    text = " ".join(done.stderr.split())
    assert f"set clusters.{cluster}.nodes.{node}.instance_id" in text


def test_the_command(site: Site, denodo_ha: Run) -> None:
    lose(site)
    done = denodo_ha("replace", NODE, "-c", str(site.file), "--dry-run")
    assert done.exit_code == exit_codes.DONE
    assert done.stdout.startswith(f"main {NODE}: its instance i-")
    assert "is terminated, generation 1 -> 2" in done.stdout
    assert (pin(site).generation, site.cdk.deploys) == (1, [])
    wrong = denodo_ha("replace", NODE, "-c", str(site.file), "--type", "big")
    assert (wrong.exit_code, "such as m7i.xlarge" in wrong.stderr) == (exit_codes.USAGE, True)
    assert denodo_ha("replace", "node9", "-c", str(site.file)).exit_code == exit_codes.USAGE
    assert denodo_ha("replace", NODE).exit_code == exit_codes.USAGE


def test_without_a_pin_nothing_happens(site: Site) -> None:
    lose(site)
    site.pins.unlink()
    with pytest.raises(Refused, match="denodo-ha pin"):
        site.replacing().replace_node(NODE)
    assert site.cdk.deploys == []
