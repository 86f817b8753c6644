"""Actions of a rehearsal on machines: the processes and stand-ins that each action reaches."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from denodo_ha.drill.model.machines import Machine
from denodo_ha.drill.model.model import Cluster, Model
from tools.local_aws import control
from tools.local_aws.rehearsal.living_system import LivingSystem
from tools.local_aws.rehearsal.scenario_actions import Action, Verb

NODE, HAPROXY, BALANCER = "one/Node", "one/Fleet#1", "one/Alb"
MODEL = Model(
    {"one": Cluster("one", "eu-west-1", (NODE,), (HAPROXY, BALANCER), ())},
    {
        NODE: Machine(NODE, "node1", "one", "eu-west-1a"),
        HAPROXY: Machine(HAPROXY, "Fleet-1", "one", "eu-west-1a", "proxy", {}, 9192),
        BALANCER: Machine(BALANCER, "Alb", "one", None, "proxy", {}),
    },
    {},
    {},
)
Done = list[tuple[Any, ...]]


@dataclass
class Recorded:
    """Stand-in for machines: records each action with the stand-in's name and the arguments."""

    name: str
    done: Done
    keys: tuple[str, ...] = ()

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def __getattr__(self, action: str) -> Any:
        return lambda *arguments: self.done.append((self.name, action, *arguments))


@dataclass
class Played:
    """A rehearsal's system whose machines and calls of AWS are stand-ins that record each use."""

    done: Done = field(default_factory=list)

    def perform(self, *actions: Action) -> Done:
        machines = SimpleNamespace(
            nodes=Recorded("nodes", self.done),
            haproxy=Recorded("haproxy", self.done, (HAPROXY,)),
            license_managers=Recorded("license managers", self.done),
        )
        resources = SimpleNamespace(of=lambda key: SimpleNamespace(id=f"id of {key}"))
        site = SimpleNamespace(endpoint="", model=MODEL, resources=resources)
        LivingSystem(site, machines).perform(actions)  # type: ignore[arg-type] # stand-ins record the actions
        return self.done


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    made = Played()

    def call(_endpoint: str, path: str, body: object, *, method: str) -> None:
        made.done.append((method, path, body))

    monkeypatch.setattr(control, "call", call)
    return made


def test_a_lost_zone_or_region_takes_its_nodes_and_haproxies(played: Played) -> None:
    """Only nodes and HAProxy are killed: a cut of a zone or region includes load balancers."""
    for verb, kind, name in (
        (Verb.CUT_ZONE, "zones", "eu-west-1a"),
        (Verb.CUT_REGION, "regions", "eu-west-1"),
    ):
        played.done.clear()
        assert played.perform(Action(verb, name)) == [
            ("nodes", "kill", NODE),
            ("haproxy", "kill", HAPROXY),
            ("PUT", "cuts", {kind: [name]}),
        ]
    played.done.clear()
    assert played.perform(Action(Verb.CUT_ZONE, "eu-west-1b"))[:-1] == []


@pytest.mark.parametrize(("verb", "call"), [(Verb.KILL, "kill"), (Verb.SUSPEND, "suspend")])
def test_a_lost_haproxy_fails_its_status_checks(played: Played, verb: Verb, call: str) -> None:
    assert played.perform(Action(verb, HAPROXY, "one")) == [
        ("haproxy", call, HAPROXY),
        ("PUT", "cuts", {"machines": [f"id of {HAPROXY}"]}),
    ]


def test_a_drain_reaches_haproxy(played: Played) -> None:
    assert played.perform(Action(Verb.DRAIN, NODE, "one")) == [("haproxy", "drain", "one", "node1")]


def test_a_node_reboots_after_its_license_manager_is_lost(played: Played) -> None:
    lost = Action(Verb.LOSE_LICENSE_MANAGER, "sm.example.com")
    assert played.perform(lost, Action(Verb.REBOOT, NODE, "one")) == [
        ("license managers", "lose", "sm.example.com"),
        ("nodes", "reboot", NODE),
    ]
