"""Ways forward for a hand-made site: leave the site, take over, or build beside and switch.

Every step is a sentence with the commands that an operator must run. `adopt` itself runs none of
them.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.drill.live.adoption.configuration_text import denodo_version, new_record
from denodo_ha.drill.live.adoption.found_cluster import FoundCluster, FoundNode, FoundSite
from denodo_ha.drill.live.adoption.takeover import Takeover
from denodo_ha.environment.names import BALANCER_DNS_NAME, BALANCER_SECURITY_GROUP_ID, FAILOVER

_CNAME_TTL_S: Final = 60
"""Project default: seconds for which resolvers cache the clients' old name, which becomes a CNAME
record of the failover name."""

LEAVE, TAKE_OVER, BUILD_BESIDE = "leave", "take over", "build beside"


@dataclass(frozen=True)
class Command:
    """A command of a step.

    Attributes:
        line: the whole command.
        why: the change that the command makes; empty if the step names this change.
    """

    line: str
    why: str = ""


@dataclass(frozen=True)
class Step:
    """A step of a way.

    Attributes:
        text: what to do, and what happens.
        commands: the commands, in order.
    """

    text: str
    commands: tuple[Command, ...] = ()


def _step(text: str, *lines: str) -> Step:
    return Step(text, tuple(Command(line) for line in lines))


@dataclass(frozen=True)
class Way:
    """A way forward.

    Attributes:
        name: its name.
        summary: what the way means for the site.
        steps: the steps; none if the way is refused.
        refusals: why the way is refused.
        remarks: sentences on resources that remain unchanged, or that a new load balancer lacks.
    """

    name: str
    summary: str
    steps: tuple[Step, ...] = ()
    refusals: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """Names in the commands of a plan, quoted for a shell.

    Attributes:
        environment: name of the environment.
        choice: name or path of its configuration, as for the option -c.
        locator: options that name the site, such as `--record denodo.example.com`.
        mappings: the resource mapping file of each cluster.
    """

    environment: str
    choice: str
    locator: str
    mappings: Mapping[str, str]


def ways_forward(site: FoundSite, takeovers: Iterable[Takeover], names: Names) -> tuple[Way, ...]:
    """Return the three ways: leave the site, take over, or build beside and switch."""
    takeovers = list(takeovers)
    return (
        _leave(site, names),
        _take_over(site, takeovers, names),
        _build_beside(site, takeovers, names),
    )


def _leave(site: FoundSite, names: Names) -> Way:
    regions = _regions(site)
    return Way(
        LEAVE,
        "Leave the load balancers and records as they are, and use only the drill.",
        (
            _step(
                "Show the effect of each failure on the site as it is.",
                f"denodo-ha drill --live {regions} {names.locator}",
            ),
            _step(
                "Compare the site with the configuration, in which known flaws are corrected.",
                f"npx cdk synth -c config={names.choice} --quiet",
                f"denodo-ha drill --live {regions} {names.locator} --against cdk.out",
            ),
        ),
    )


def _take_over(site: FoundSite, takeovers: list[Takeover], names: Names) -> Way:
    summary = (
        "The stacks take over the load balancers, with their names and addresses; clients are not "
        "affected. The records of the clients' name remain until the step that replaces them."
    )
    refusals = tuple(
        f"{takeover.cluster}: {reason}" for takeover in takeovers for reason in takeover.refusals
    )
    remarks = tuple(
        f"{takeover.cluster}: {remark}" for takeover in takeovers for remark in takeover.remarks
    )
    if refusals:
        return Way(TAKE_OVER, summary, (), refusals, remarks)
    steps = [step for takeover in takeovers for step in _takeover_steps(takeover, names)]
    return Way(TAKE_OVER, summary, (*steps, *switch_steps(site, names)), (), remarks)


def _takeover_steps(takeover: Takeover, names: Names) -> Iterator[Step]:
    config = f"-c config={names.choice}"
    stack = takeover.stack
    if takeover.is_done:
        yield _step(
            f"{takeover.cluster}: the load balancer is already in {stack}.",
            f"npx cdk diff {stack} {config} --exclusively",
        )
        return
    if takeover.changes:
        yield Step(
            f"{takeover.cluster}: make the deployed resources equal to the template. Each command "
            "changes a resource immediately and in place. An import compares and changes nothing, "
            "and a later deploy would not correct these differences either. Then run adopt again: "
            "the new plan must have no differences.",
            tuple(Command(change.command, change.what) for change in takeover.changes),
        )
    yield _step(
        f"{takeover.cluster}: import the load balancer into {stack}. Nothing is changed or "
        "replaced.",
        f"npx cdk import {stack} {config} --resource-mapping {names.mappings[takeover.cluster]}",
    )
    yield _step(
        f"{takeover.cluster}: deploy the stack, which creates its other resources: rules, alarms, "
        "health checks. Afterwards, cdk diff must show no difference. From this deploy on, "
        "destroying the stack deletes the load balancer.",
        f"npx cdk deploy {stack} {config} --exclusively",
        f"npx cdk diff {stack} {config} --exclusively --fail",
    )


def _build_beside(site: FoundSite, takeovers: list[Takeover], names: Names) -> Way:
    summary = (
        "The stacks create new load balancers for the same instances. When the new load balancers "
        "serve, a step leads the clients' name to them. Before that step, clients are not "
        "affected; after it, the old load balancers allow the way back."
    )
    config = f"-c config={names.choice}"
    if any(takeover.is_done for takeover in takeovers):
        done = ", ".join(takeover.stack for takeover in takeovers if takeover.is_done)
        return Way(
            BUILD_BESIDE,
            summary,
            (),
            (f"the load balancer is already in {done}: nothing to build",),
        )
    deploys = [
        _step(
            f"{takeover.cluster}: create the new load balancer. The instances are registered as "
            "its targets and not changed.",
            f"npx cdk deploy {takeover.stack} {config} --exclusively",
        )
        for takeover in takeovers
    ]
    opened = [
        _open_step(cluster, takeover)
        for cluster, takeover in zip(site.clusters, takeovers, strict=True)
    ]
    steps = [
        *_free_addresses(site, names),
        *deploys,
        *opened,
        _verify_step(names),
        *switch_steps(site, names),
    ]
    if denodo_version(site) == "7.0":
        steps.append(_rmi_step(takeovers))
    steps.append(_remove_step(site))
    remarks = tuple(
        f"{cluster.name}: {sentence}; the new load balancer does not have this port"
        for cluster in site.clusters
        for sentence in cluster.left_out
    )
    return Way(BUILD_BESIDE, summary, tuple(steps), (), remarks)


def _free_addresses(site: FoundSite, names: Names) -> Iterator[Step]:
    """Yield the step that removes the old load balancers' addresses from the configuration."""
    addresses = [
        address for cluster in site.clusters for address in cluster.fixed_addresses.values()
    ]
    if addresses:
        yield Step(
            f"Remove `addresses` from the configuration {names.choice}, or write other addresses: "
            f"the old load balancers have {', '.join(addresses)}, and two load balancers cannot "
            "have the same address. Clients that use these addresses instead of the name do not "
            "reach the new load balancers."
        )


def _open_step(cluster: FoundCluster, takeover: Takeover) -> Step:
    """Return the step that allows the new load balancer to connect to the nodes."""
    # The first security group of each node is enough, and nodes mostly have the same.
    groups = sorted({node.security_groups[0] for node in _with_groups(cluster)})
    region = cluster.balancer.region
    permissions = " ".join(
        f'"IpProtocol=tcp,FromPort={port},ToPort={port},UserIdGroupPairs=[{{GroupId=$group}}]"'
        for port in sorted(
            {number for port in cluster.ports for number in (port.target_port, port.checked_port)}
        )
    )
    query = f"Stacks[0].Outputs[?OutputKey=='{BALANCER_SECURITY_GROUP_ID}'].OutputValue"
    return _step(
        f"{takeover.cluster}: admit the new load balancer in the security groups of the nodes.",
        f"group=$(aws cloudformation describe-stacks --region {takeover.region} --stack-name "
        f'{takeover.stack} --query "{query}" --output text)',
        *(
            f"aws ec2 authorize-security-group-ingress --region {region} --group-id {group} "
            f"--ip-permissions {permissions}"
            for group in groups
        ),
    )


def _with_groups(cluster: FoundCluster) -> list[FoundNode]:
    return [node for node in cluster.nodes.values() if node.security_groups]


def _verify_step(names: Names) -> Step:
    return _step(
        "Wait until every node is healthy in the new target groups and every service answers:",
        f"denodo-ha status -c {names.choice}",
        f"denodo-ha verify -c {names.choice}",
    )


def switch_steps(site: FoundSite, names: Names) -> Iterator[Step]:
    """Yield the steps that create the failover record, and point the clients' old name to it."""
    config = f"-c config={names.choice}"
    record = new_record(site)
    if record is None:
        if len(site.clusters) > 1:
            yield _step(
                "Complete `failover` in the configuration, deploy the failover stack, and lead the "
                "name that clients use to the new record.",
                f"npx cdk deploy --all {config}",
            )
        return
    yield _step(
        f"Create the failover record {record.name}, which no client uses yet, and check that it "
        "answers with the primary.",
        f"npx cdk deploy {names.environment}-{FAILOVER} {config} --exclusively",
        f"denodo-ha status -c {names.choice}",
    )
    if site.record == site.hosted_zone[1]:
        yield Step(
            f"{site.record} is the name of the hosted zone, which cannot have a CNAME record: move "
            f"the clients to {record.name}."
        )
        return
    if not site.details.records:
        yield Step(
            f"Replace the records of {site.record}, which could not be read, by a CNAME record of "
            f"the value {record.name}, in one change batch."
        )
        return
    cname = {
        "Name": f"{site.record}.",
        "Type": "CNAME",
        "TTL": _CNAME_TTL_S,
        "ResourceRecords": [{"Value": record.name}],
    }
    yield _step(
        f"Lead {site.record} to {record.name}: one change batch removes the old records and "
        "creates the new record, so the name always has an answer. Resolvers may keep the old "
        "answer for the TTL of the old record.",
        _change_batch(site, site.details.records, [cname]),
    )
    yield _step(
        "The way back, while the old load balancers exist: restore the old records.",
        _change_batch(site, [cname], site.details.records),
    )


def _change_batch(
    site: FoundSite, removed: Iterable[Mapping[str, Any]], created: Iterable[Mapping[str, Any]]
) -> str:
    changes = [
        *({"Action": "DELETE", "ResourceRecordSet": item} for item in removed),
        *({"Action": "CREATE", "ResourceRecordSet": item} for item in created),
    ]
    batch = shlex.quote(json.dumps({"Changes": changes}))
    return (
        "aws route53 change-resource-record-sets --hosted-zone-id "
        f"{site.hosted_zone[0]} --change-batch {batch}"
    )


def _rmi_step(takeovers: list[Takeover]) -> Step:
    names = ", ".join(
        f"{takeover.cluster}: output {BALANCER_DNS_NAME} of {takeover.stack}"
        for takeover in takeovers
    )
    return Step(
        "A node of Denodo 7.0 hands its RMI host to clients for the second connection, and this "
        "RMI host is still the name of the old load balancer. On one node at a time, set the RMI "
        f"host to the name of the new load balancer ({names}), and restart the node. Keep the old "
        "load balancers until every node has the new name."
    )


def _remove_step(site: FoundSite) -> Step:
    checks = [
        record["HealthCheckId"] for record in site.details.records if "HealthCheckId" in record
    ]
    what = (
        "load balancers, and the health checks of the old records," if checks else "load balancers"
    )
    return _step(
        f"Delete the old {what} after the load balancers' metric ActiveFlowCount has shown no "
        "connection for several days.",
        *(
            f"aws elbv2 delete-load-balancer --region {cluster.balancer.region} "
            f"--load-balancer-arn {cluster.balancer.id}"
            for cluster in site.clusters
        ),
        *(f"aws route53 delete-health-check --health-check-id {check}" for check in checks),
    )


def _regions(site: FoundSite) -> str:
    regions = dict.fromkeys(cluster.balancer.region for cluster in site.clusters)
    return " ".join(f"--region {region}" for region in regions)
