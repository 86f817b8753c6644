"""Resource changes: commands that make deployed resources equal to a template, in place.

An import changes no resource, and a later deploy changes only what differs between the old and the
new template. So a difference between a resource and its template that remains at the import is
never removed, and `cdk diff` does not show it.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.drill.live.adoption.found_cluster import FoundPort, LiveResource
from denodo_ha.drill.reading.values import as_list

_CHECKS: Final[Mapping[str, str]] = {
    "HealthCheckProtocol": "--health-check-protocol",
    "HealthCheckPort": "--health-check-port",
    "HealthCheckPath": "--health-check-path",
    "HealthCheckIntervalSeconds": "--health-check-interval-seconds",
    "HealthCheckTimeoutSeconds": "--health-check-timeout-seconds",
    "HealthyThresholdCount": "--healthy-threshold-count",
    "UnhealthyThresholdCount": "--unhealthy-threshold-count",
}
"""Settings of a health check, each with its option of `aws elbv2 modify-target-group`."""

_TAGGED_AT_ONCE: Final = 20
"""Maximum number of resources in one call (AWS, Elastic Load Balancing API Reference, AddTags)."""


@dataclass(frozen=True)
class Change:
    """A change of a deployed resource that needs no replacement.

    Attributes:
        what: the property that differs, with its values now and after the change.
        command: the command that makes the change.
    """

    what: str
    command: str


def balancer_changes(
    balancer: LiveResource, declared: Mapping[str, Any], subnets: Mapping[str, str]
) -> Iterator[Change]:
    """Yield the changes of a load balancer's attributes and subnets.

    Args:
        balancer: the load balancer.
        declared: the load balancer's properties in the template.
        subnets: the load balancer's present subnet in each zone.
    """
    where = f"--region {balancer.region} --load-balancer-arn {balancer.id}"
    yield from _attribute_changes(
        f"load balancer {name_of(balancer)}",
        f"aws elbv2 modify-load-balancer-attributes {where}",
        balancer.attributes,
        declared.get("LoadBalancerAttributes"),
    )
    listed = as_list(declared.get("Subnets"))
    if listed and set(listed) != set(subnets.values()):
        yield Change(
            f"load balancer {name_of(balancer)}: subnets {', '.join(sorted(subnets.values()))} → "
            f"{', '.join(sorted(listed))}",
            f"aws elbv2 set-subnets {where} --subnets {' '.join(sorted(listed))}",
        )


def target_group_changes(port: FoundPort, declared: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the changes of a target group's checks, attributes and targets."""
    group = port.group
    assert group is not None  # only ports with a target group are compared
    where = f"--region {group.region} --target-group-arn {group.id}"
    title = f"port {port.port}, target group {name_of(group)}"
    different = {
        name: declared[name]
        for name in _CHECKS
        if name in declared and not _is_same_check(name, group.properties.get(name), port, declared)
    }
    if different:
        before = ", ".join(f"{name} {group.properties.get(name)}" for name in different)
        after = ", ".join(str(value) for value in different.values())
        options = " ".join(
            f"{_CHECKS[name]} {shlex.quote(str(value))}" for name, value in different.items()
        )
        yield Change(
            f"{title}: {before} → {after}", f"aws elbv2 modify-target-group {where} {options}"
        )
    yield from _attribute_changes(
        title,
        f"aws elbv2 modify-target-group-attributes {where}",
        group.attributes,
        declared.get("TargetGroupAttributes"),
    )
    yield from _target_changes(title, where, port, declared)


def _is_same_check(name: str, value: object, port: FoundPort, declared: Mapping[str, Any]) -> bool:
    """Return whether a setting of a health check is the same in AWS and in the template.

    In AWS, the value `traffic-port` stands for the number of the target's port.
    """
    if name == "HealthCheckPort" and value == "traffic-port":
        value = port.target_port
    return str(value) == str(declared[name])


def _target_changes(
    title: str, where: str, port: FoundPort, declared: Mapping[str, Any]
) -> Iterator[Change]:
    configured = {
        (str(target["Id"]), int(target.get("Port", declared.get("Port", 0))))
        for target in as_list(declared.get("Targets"))
        if isinstance(target.get("Id"), str)
    }
    registered = {(id_, port.target_port) for id_ in port.nodes}
    for targets, verb, what in (
        (configured - registered, "register-targets", "is not registered"),
        (
            registered - configured,
            "deregister-targets",
            "is registered, but is not in the configuration",
        ),
    ):
        if targets:
            listed = " ".join(f"Id={id_},Port={number}" for id_, number in sorted(targets))
            yield Change(
                f"{title}: {', '.join(id_ for id_, _ in sorted(targets))} {what}",
                f"aws elbv2 {verb} {where} --targets {listed}",
            )


def listener_changes(port: FoundPort, declared: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the changes of a listener's protocol, certificate and attributes."""
    listener = port.listener
    where = f"--region {listener.region} --listener-arn {listener.id}"
    title = f"port {port.port}, listener"
    protocol = str(listener.properties.get("Protocol"))
    certificates = [item["CertificateArn"] for item in as_list(declared.get("Certificates"))]
    present = [item["CertificateArn"] for item in as_list(listener.properties.get("Certificates"))]
    if protocol != declared.get("Protocol") or present[:1] != certificates[:1]:
        options = f"--protocol {declared.get('Protocol')}"
        if certificates:
            options += f" --certificates CertificateArn={certificates[0]}"
        yield Change(
            f"{title}: {protocol} → {declared.get('Protocol')}, certificate "
            f"{' '.join(certificates) or 'none'}",
            f"aws elbv2 modify-listener {where} {options}",
        )
    yield from _attribute_changes(
        title,
        f"aws elbv2 modify-listener-attributes {where}",
        port.attributes,
        declared.get("ListenerAttributes"),
    )


@dataclass(frozen=True)
class MissingTags:
    """Tags that a resource lacks: an import sets no tags, and commands find resources by tags.

    Attributes:
        region: region of the resource.
        id: its ARN or id.
        tags: keys and values.
    """

    region: str
    id: str
    tags: tuple[tuple[str, str], ...]


def missing_tags(
    region: str, id_: str, present: Mapping[str, str], declared: Mapping[str, Any]
) -> MissingTags:
    """Return the tags of a template that a resource lacks."""
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in as_list(declared.get("Tags"))}
    missing = ((key, value) for key, value in tags.items() if present.get(key) != value)
    return MissingTags(region, id_, tuple(missing))


def tag_changes(missing: Iterable[MissingTags]) -> Iterator[Change]:
    """Yield one change for all resources of a region and AWS API that lack the same tags."""
    lacking: dict[tuple[str, bool], dict[tuple[str, str], list[str]]] = {}
    for item in missing:
        of_api = lacking.setdefault((item.region, item.id.startswith("arn:")), {})
        for tag in item.tags:
            of_api.setdefault(tag, []).append(item.id)
    for (region, is_arn), by_tag in lacking.items():
        together: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for tag, ids in by_tag.items():
            together.setdefault(tuple(ids), []).append(tag)
        for same, tags in together.items():
            yield from _tag_commands(region, same, tags, is_arn=is_arn)


def _tag_commands(
    region: str, ids: tuple[str, ...], tags: list[tuple[str, str]], *, is_arn: bool
) -> Iterator[Change]:
    program, option = (
        ("aws elbv2 add-tags", "--resource-arns")
        if is_arn
        else ("aws ec2 create-tags", "--resources")
    )
    values = " ".join(shlex.quote(f"Key={key},Value={value}") for key, value in tags)
    names = ", ".join(f"{key}={value}" for key, value in tags)
    for start in range(0, len(ids), _TAGGED_AT_ONCE):
        batch = ids[start : start + _TAGGED_AT_ONCE]
        lack = "1 resource lacks" if len(batch) == 1 else f"{len(batch)} resources lack"
        yield Change(
            f"{lack} tags by which commands find resources: {names}",
            f"{program} --region {region} {option} {' '.join(batch)} --tags {values}",
        )


def _attribute_changes(
    title: str, command: str, present: Mapping[str, str] | None, declared: Iterable[Any] | None
) -> Iterator[Change]:
    """Yield one change that sets all attributes which differ from the template, or are unknown."""
    different = {
        str(item["Key"]): str(item["Value"])
        for item in declared or ()
        if present is None or present.get(str(item["Key"])) != str(item["Value"])
    }
    if not different:
        return
    differences = ", ".join(
        f"{key} {'not known' if present is None else present.get(key, 'not set')} → {value}"
        for key, value in different.items()
    )
    pairs = " ".join(f"Key={key},Value={value}" for key, value in different.items())
    yield Change(f"{title}: {differences}", f"{command} --attributes {pairs}")


def name_of(resource: LiveResource) -> str:
    """Return the name of a resource, else its id."""
    return str(resource.properties.get("Name", resource.id))
