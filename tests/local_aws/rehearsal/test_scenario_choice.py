"""The scenarios of a rehearsal: which are played, and in which ways."""

from dataclasses import replace

from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.model.machines import TargetHealthCheck
from denodo_ha.drill.model.notifications import SentNotification
from denodo_ha.drill.outcome import Failure
from tests.drill.sample_templates import SERVES, model, with_proxies
from tools.local_aws.rehearsal.scenario_choice import Options, Variant, chosen_scenarios

HTTP = TargetHealthCheck("HTTP", None, "/health/jdbc", 5, 2, 2, 4)
HOST = "sm.example.com"


def result(*, by_http: bool = True, proxy_checks_by_http: bool = True) -> DrillResult:
    """Return the drill of two clusters, the first behind proxies, with one License Manager."""
    of_templates = model(with_proxies(SERVES))
    groups = of_templates.target_groups
    if by_http:
        groups = {key: replace(group, health_check=HTTP) for key, group in groups.items()}
    check = replace(HTTP, protocol="HTTP" if proxy_checks_by_http else "TCP")
    machines = {
        key: replace(
            machine,
            upstreams={
                port: replace(upstream, health_check=check)
                for port, upstream in (machine.upstreams or {}).items()
            },
        )
        if machine.kind == "proxy"
        else machine
        for key, machine in of_templates.machines.items()
    }
    managers = dict.fromkeys(of_templates.clusters, HOST)
    return drill_model(
        replace(of_templates, target_groups=groups, machines=machines, license_managers=managers)
    )


def played(drilled: DrillResult, *kinds: str) -> list[tuple[Failure, Variant]]:
    options = Options(kinds=kinds, first_only=True)
    return [
        (outcome.failure, variant) for outcome, _, variant in chosen_scenarios(drilled, options)
    ]


def test_a_lost_node_and_a_lost_proxy_are_also_suspended() -> None:
    assert played(result(), "node-lost", "proxy-lost") == [
        (Failure("node-lost", "site-a", "Box1"), Variant.USUAL),
        (Failure("node-lost", "site-a", "Box1"), Variant.SUSPENDED),
        (Failure("proxy-lost", "site-a", "Proxies-1"), Variant.USUAL),
        (Failure("proxy-lost", "site-a", "Proxies-1"), Variant.SUSPENDED),
    ]


def test_what_a_check_that_only_connects_would_not_notice_is_not_suspended() -> None:
    """The kernel of a suspended machine accepts connections: a check that only connects passes."""
    assert not suspended(result(by_http=False))
    # A proxy that only connects to nodes notices a lost node, but not a suspended node.
    assert suspended(result(proxy_checks_by_http=False)) == ["proxy-lost"]


def test_a_load_balancer_is_not_suspended() -> None:
    """A proxy without a zone is a load balancer that is the target of another load balancer."""
    drilled = result()
    machines = {
        key: replace(machine, zone=None) if machine.kind == "proxy" else machine
        for key, machine in drilled.model.machines.items()
    }
    assert suspended(drill_model(replace(drilled.model, machines=machines))) == ["node-lost"]


def test_a_failure_that_is_named_is_played_once() -> None:
    drilled = result()
    failure = Failure("node-lost", "site-a", "Box1")
    chosen = chosen_scenarios(drilled, Options(failures=(failure,)))
    assert [(item[0].failure, item[2]) for item in chosen] == [(failure, Variant.USUAL)]


def suspended(drilled: DrillResult) -> list[str]:
    chosen = played(drilled, "node-lost", "proxy-lost")
    return [failure.kind for failure, variant in chosen if variant is Variant.SUSPENDED]


def test_a_node_that_restarts_without_its_license_manager_is_lost() -> None:
    sent = (SentNotification("machine lost", "urgent", 740),)
    drilled = result()
    outcomes = tuple(replace(outcome, notifications=sent) for outcome in drilled.outcomes)
    drilled = replace(drilled, outcomes=outcomes)
    options = Options(kinds=("license-manager-lost",))
    usual, rebooted = chosen_scenarios(drilled, options)
    assert (usual[0].failure.name, usual[0].recovery, usual[2]) == (HOST, 0, Variant.USUAL)
    outcome, situation, variant = rebooted
    assert variant is Variant.REBOOTED
    assert situation == usual[1]
    lost = drilled.by_failure[Failure("node-lost", "site-a", "Box1")]
    # The node's machine itself runs, so no alarm on a lost machine notifies.
    assert not outcome.notifications
    assert outcome.failure.name == f"{HOST}, and site-a/Box1 restarts"
    assert (outcome.effect, outcome.recovery) == (lost.effect, lost.recovery)
    assert outcome.recovery
