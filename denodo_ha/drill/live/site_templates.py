"""Templates of a site: found resources in the form of templates, with references for their ids.

A resource of a stack of this project keeps its logical id, its metadata, and the properties that no
describe call reports. All other resources get logical ids from their names.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from denodo_ha.deployed.stack import mapping_in
from denodo_ha.drill.live.alarm_reader import ALARM_IN_RULE, alarm_alias
from denodo_ha.drill.live.found_resource import (
    GLOBAL_TYPES,
    AlarmRule,
    FoundResource,
    Link,
)
from denodo_ha.drill.live.live_site import LiveTemplate
from denodo_ha.drill.live.own_stacks import OwnStack
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.reading.resource_reader import (
    ALARM,
    AUTO_SCALING_GROUP,
    COMPOSITE_ALARM,
    DATABASE,
    DATABASE_SUBNETS,
    ELASTIC_IP,
    ELASTIC_IP_ASSOCIATION,
    HEALTH_CHECK,
    INSTANCE,
    LISTENER,
    LISTENER_RULE,
    LOAD_BALANCER,
    RECORD_SET,
    SUBNET,
    TARGET_GROUP,
    UNREAD_METADATA,
)
from denodo_ha.drill.reading.values import as_mapping, reference
from denodo_ha.environment import names

ROUTE53: Final = "route53"
"""The name of the template of records and health checks that no stack of this project has."""
_COMPLETE: Final = frozenset(
    {LOAD_BALANCER, LISTENER, LISTENER_RULE, TARGET_GROUP, ALARM, COMPOSITE_ALARM}
    | {HEALTH_CHECK, RECORD_SET, ELASTIC_IP}
)
"""Resource types whose describe calls report every property that the drill reads."""
_MERGED: Final = frozenset({INSTANCE, SUBNET, AUTO_SCALING_GROUP, DATABASE, DATABASE_SUBNETS})
"""Resource types with properties that the drill reads and only a template has: deployed properties
are merged into the template's."""
_NEVER_MISSED: Final = frozenset({DATABASE_SUBNETS, SUBNET, RECORD_SET, ELASTIC_IP})
"""Resource types that are read only as far as balancers, nodes and databases use the resources. So
a resource of these types may exist although it was not read."""
_LIVE_ONLY: Final = {
    DATABASE: frozenset(
        {"AvailabilityZone", "AutomaticBackupReplicationRegion", "DBClusterIdentifier"}
        | {"SourceDBInstanceIdentifier"}
    )
}
"""Properties of merged resources (`_MERGED`) that are not set if AWS's answer does not have
them, whatever the template says."""
_NAMES: Final = frozenset({"Name", "AlarmName"})
"""Properties with a name, which CloudFormation generates if the template gives none. A generated
name is not a difference from the template."""
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9-]+")


class SiteTemplates:
    """The templates of a site.

    Args:
        own: the stacks of this project.
        found: the resources that exist.
        account: the account of the resources in no stack of this project.
    """

    def __init__(
        self, own: Sequence[OwnStack], found: Iterable[FoundResource], account: str
    ) -> None:
        self._own, self._account = own, account
        self._found: dict[Key, FoundResource] = {}
        self._aliases: dict[str, list[tuple[str, Key, str]]] = {}
        self._by_owner = {
            (type_, "" if type_ in GLOBAL_TYPES else stack.region, id_): (stack, logical_id)
            for stack in own
            for logical_id, (type_, id_) in stack.ids.items()
            if type_ != RECORD_SET
        }
        for resource in found:
            self._add(resource)

    def _add(self, resource: FoundResource) -> None:
        region = "" if resource.type in GLOBAL_TYPES else resource.region
        key = self._key(resource, region)
        self._found[key] = resource
        for text, attribute in resource.aliases.items():
            if text:
                self._aliases.setdefault(text.lower(), []).append((region, key, attribute))

    def _key(self, resource: FoundResource, region: str) -> Key:
        if resource.type == RECORD_SET:
            owner = self._owner_of_record(resource)
        else:
            owner = self._by_owner.get((resource.type, region, resource.id))
        if owner is not None:
            return f"{owner[0].name}/{owner[1]}"
        template = ROUTE53 if resource.type in GLOBAL_TYPES else resource.region
        base = _NOT_IN_IDS.sub("-", resource.name).strip("-") or "resource"
        id_, number = base, 1
        while f"{template}/{id_}" in self._found:
            number += 1
            id_ = f"{base}-{number}"
        return f"{template}/{id_}"

    def _owner_of_record(self, record: FoundResource) -> tuple[OwnStack, str] | None:
        """Return stack and logical id of a record, found by name and role; None without a stack."""
        role = record.properties.get("Failover")
        for stack in self._own:
            for logical_id, id_ in stack.of_type(RECORD_SET):
                same_name = id_.rstrip(".").lower() == record.id
                if same_name and stack.properties(logical_id).get("Failover") == role:
                    return stack, logical_id
        return None

    @property
    def resources(self) -> Mapping[Key, FoundResource]:
        """The resources that exist, by key."""
        return self._found

    def key_of(self, text: str, region: str, *types: str) -> Key | None:
        """Return the key of the resource that a text names; None for no resource or several."""
        found = self._resolved(text, region)
        return found[0] if found and (not types or self._found[found[0]].type in types) else None

    def _resolved(self, text: str, region: str) -> tuple[Key, str] | None:
        """Return the key of the resource that a text names, and the attribute that has this text.

        The attribute is empty for `Ref`. Resources of the given region have precedence. None if the
        text names no resource or several.
        """
        lower = text.lower()
        matches = self._aliases.get(lower) or self._aliases.get(lower.removeprefix("dualstack."))
        near = [match for match in matches or () if match[0] in ("", region)]
        chosen = near or matches or []
        # A public address may name an Elastic IP address and its instance: prefer the instance.
        instances = [match for match in chosen if self._found[match[1]].type != ELASTIC_IP]
        chosen = instances or chosen
        if len({key for _, key, _ in chosen}) != 1:
            return None
        return chosen[0][1:]

    def value(self, value: Any, region: str) -> Any:
        """Return a value in which references replace links (`Link`)."""
        if isinstance(value, Link):
            resolved = self._resolved(value.text, region)
            return _reference(*resolved) if resolved else value.literal or value.text
        if isinstance(value, AlarmRule):
            return self._rule(value.text, region)
        if isinstance(value, list):
            return [self.value(item, region) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item, region) for key, item in value.items()}
        return value

    def _rule(self, text: str, region: str) -> str:
        def replaced(match: re.Match[str]) -> str:
            name = match[2]
            resolved = self._resolved(alarm_alias(region, name), region)
            resolved = resolved or self._resolved(name, region)
            written = _reference(resolved[0], "") if resolved else name
            return f'{match[1]}("{written}")'

        return ALARM_IN_RULE.sub(replaced, text)

    def templates(
        self, zones: Mapping[str, str], kept: Mapping[str, frozenset[str]], unread: frozenset[str]
    ) -> tuple[LiveTemplate, ...]:
        """Return the templates of the site.

        Args:
            zones: the zones of subnets and adopted instances, by id.
            kept: by region, the types of resources whose call gave no answer. A resource of these
                types is taken from the template.
            unread: the regions in which some targets of target groups could not be read.
        """
        stacks = {stack.name: stack for stack in self._own}
        raw: dict[str, dict[str, Any]] = {name: {} for name in stacks}
        ids: dict[str, dict[str, str]] = {name: {} for name in stacks}
        for stack in self._own:
            raw[stack.name] |= self._rest(stack, kept.get(stack.region, frozenset()))
        for key, resource in self._found.items():
            name, _, logical_id = key.partition("/")
            raw.setdefault(name, {})[logical_id] = self._written(
                stacks.get(name), logical_id, resource
            )
            ids.setdefault(name, {})[logical_id] = resource.id
        regions = {
            key.partition("/")[0]: resource.region for key, resource in self._found.items()
        } | {stack.name: stack.region for stack in self._own}
        return tuple(
            LiveTemplate(
                name,
                stacks[name].account if name in stacks else self._account,
                regions[name],
                _template(
                    stacks.get(name),
                    _marked(resources) if regions[name] in unread else resources,
                    zones,
                ),
                ids.get(name, {}),
            )
            for name, resources in raw.items()
        )

    def gone(self, kept: Mapping[str, frozenset[str]], dropped: frozenset[str]) -> Iterator[str]:
        """Yield a sentence on each resource that a template has and that no longer exists.

        Args:
            kept: by region, types of resources that are unknown, because a call gave no answer.
            dropped: types of resources that are unknown in every region.
        """
        for stack in self._own:
            if stack.status.endswith("_IN_PROGRESS"):
                yield (
                    f"{stack.name}: a deploy is running ({stack.status}), so the stack's resources "
                    "may change"
                )
            for logical_id, (type_, id_) in stack.ids.items():
                is_read = type_ in (_COMPLETE | _MERGED) - _NEVER_MISSED
                is_found = f"{stack.name}/{logical_id}" in self._found
                unknown = type_ in kept.get(stack.region, frozenset()) | dropped
                if is_read and not is_found and not unknown:
                    yield (
                        f"{stack.name}/{logical_id}: {id_} is in the stack, but no longer exists"
                    )

    def _rest(self, stack: OwnStack, kept: frozenset[str]) -> dict[str, Any]:
        """Return the resources that are taken from a stack's template, as no call has read them."""
        rest = {}
        for logical_id, resource in mapping_in(stack.template, "Resources").items():
            type_ = resource.get("Type") if isinstance(resource, Mapping) else None
            is_failover = type_ == RECORD_SET and "Failover" in stack.properties(logical_id)
            is_read = type_ in _COMPLETE | _MERGED | {ELASTIC_IP_ASSOCIATION} and (
                type_ != RECORD_SET or is_failover
            )
            if not is_read or type_ in kept:
                rest[logical_id] = resource
        return rest

    def _written(
        self, stack: OwnStack | None, logical_id: str, resource: FoundResource
    ) -> dict[str, Any]:
        """Return a found resource in the form of a template."""
        properties = self.value(dict(resource.properties), resource.region)
        if stack is None:
            return {"Type": resource.type, "Properties": properties}
        raw = mapping_in(stack.template["Resources"], logical_id)
        template = stack.properties(logical_id)
        properties = {
            name: value
            for name, value in properties.items()
            if name not in _NAMES or name in template or resource.type == RECORD_SET
        }
        if resource.type in _MERGED:
            dropped = resource.unread | _LIVE_ONLY.get(resource.type, frozenset())
            properties = {
                **{name: value for name, value in template.items() if name not in dropped},
                **properties,
            }
        metadata = {"Metadata": raw["Metadata"]} if "Metadata" in raw else {}
        return {"Type": resource.type, "Properties": properties, **metadata}


def _reference(key: Key, attribute: str) -> str:
    template, _, logical_id = key.partition("/")
    return reference(template, logical_id, attribute)


def _marked(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return resources with a mark on target groups: some of their targets were not read."""
    marked = {}
    for logical_id, resource in resources.items():
        marked[logical_id] = resource
        if as_mapping(resource).get("Type") == TARGET_GROUP:
            metadata = dict(as_mapping(resource.get("Metadata")))
            own = {**as_mapping(metadata.get(names.METADATA)), UNREAD_METADATA: True}
            marked[logical_id] = {**resource, "Metadata": {**metadata, names.METADATA: own}}
    return marked


def _template(
    stack: OwnStack | None, resources: Mapping[str, Any], zones: Mapping[str, str]
) -> dict[str, Any]:
    template = dict(stack.template) if stack else {}
    metadata = dict(as_mapping(template.get("Metadata")))
    own = dict(as_mapping(metadata.get(names.METADATA)))
    own[names.ZONES_METADATA] = {**as_mapping(own.get(names.ZONES_METADATA)), **zones}
    in_order = [id_ for id_ in mapping_in(template, "Resources") if id_ in resources]
    return {
        **template,
        "Metadata": {**metadata, names.METADATA: own},
        "Resources": {id_: resources[id_] for id_ in dict.fromkeys([*in_order, *resources])},
    }
