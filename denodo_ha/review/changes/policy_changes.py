"""Findings on permissions that a change widens: IAM policies and permissions boundaries.

Before the comparison, texts that differ between equal nodes or between revisions of the code are
replaced: logical ids become the types of their resources, the names of nodes become `NODE` in the
policies of nodes, and hashes of files become `HASH`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from denodo_ha.deployed.stack import mapping_in, resource_tag
from denodo_ha.environment import names
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import Properties, Resources, StackPair, referred_id, text_of

_ROLE: Final = "AWS::IAM::Role"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_POLICIES: Final = {
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    _ROLE: "AssumeRolePolicyDocument",
}
"""Types with a policy document, and the property that contains it."""


@dataclass(frozen=True)
class Names:
    """Actions or resources of a statement: one pattern, or all but some patterns.

    Attributes:
        patterns: the patterns, which may have wildcards.
        is_excluded: True for `NotAction` and `NotResource`, which mean all but these patterns.
    """

    patterns: tuple[str, ...]
    is_excluded: bool = False

    def __str__(self) -> str:
        """Return the patterns in words."""
        return f"{'all but ' if self.is_excluded else ''}{', '.join(self.patterns)}"

    def in_lower_case(self) -> "Names":
        """Return the patterns in lower case."""
        return Names(tuple(pattern.lower() for pattern in self.patterns), self.is_excluded)

    def covers(self, other: "Names") -> bool:
        """Return whether these patterns include all names that the patterns of `other` include."""
        if self == other or (self.patterns == ("*",) and not self.is_excluded):
            return True
        match self.is_excluded, other.is_excluded:
            case False, False:
                return all(_is_matched(name, self.patterns) for name in other.patterns)
            case True, True:
                return all(_is_matched(name, other.patterns) for name in self.patterns)
            case True, False:
                # `self` excludes its patterns, so it does not include all names of a pattern that
                # overlaps with an excluded pattern.
                return not any(
                    _is_matched(name, self.patterns) or _is_matched(excluded, (name,))
                    for name in other.patterns
                    for excluded in self.patterns
                )
        return False


@dataclass(frozen=True)
class Permission:
    """Actions that a policy allows or denies on resources.

    Attributes:
        holder: the role, policy or resource that the statement belongs to.
        effect: `Allow` or `Deny`.
        action: the action, or all but some actions.
        resource: the resource, or all but some resources.
        principal: the principal of a resource's policy; empty in a policy of a role.
        condition: the condition; empty for none.
    """

    holder: str
    effect: str
    action: Names
    resource: Names
    principal: str = ""
    condition: str = ""

    def covers(self, other: "Permission") -> bool:
        """Return whether this permission includes everything that another permission includes."""
        return (
            (self.holder, self.effect) == (other.holder, other.effect)
            and self.condition in {"", other.condition}
            and self.principal in {"*", other.principal}
            # IAM ignores the case of letters in actions, but not in resources.
            and self.action.in_lower_case().covers(other.action.in_lower_case())
            and self.resource.covers(other.resource)
        )


def policy_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on permissions of a stack that exists before and after the change."""
    if not pair.is_in_both:
        return
    before, after = _permissions(pair.old), _permissions(pair.new)
    allowed = [
        permission
        for permission in after
        if permission.effect == "Allow" and not any(old.covers(permission) for old in before)
    ]
    yield from _grouped(pair, "allows", allowed)
    holders = {permission.holder for permission in after}
    no_longer_denied = [
        permission
        for permission in before
        if permission.effect == "Deny"
        and permission.holder in holders
        and not any(new.covers(permission) for new in after)
    ]
    yield from _grouped(pair, "no longer denies", no_longer_denied)
    yield from _boundaries(pair)


def _grouped(pair: StackPair, verb: str, permissions: Iterable[Permission]) -> Iterator[Finding]:
    """Yield a finding for each holder and set of actions, with all resources of these actions."""
    actions: dict[tuple[str, str, str], list[str]] = {}
    for item in permissions:
        suffix = f" for {item.principal}" if item.principal else ""
        suffix += f" if {item.condition}" if item.condition else ""
        key = item.holder, str(item.resource), suffix
        actions.setdefault(key, []).append(str(item.action))
    resources: dict[tuple[str, str, str], list[str]] = {}
    for (holder, resource, suffix), names_ in actions.items():
        resources.setdefault((holder, ", ".join(names_), suffix), []).append(resource)
    for (holder, action, suffix), items in resources.items():
        text = f"{verb} {action} on {', '.join(items)}{suffix}"
        yield finding("iam-widened", pair.place(holder), text)


def _boundaries(pair: StackPair) -> Iterator[Finding]:
    """Yield roles whose permissions boundary is removed or replaced by another boundary."""
    for id_, before, after in pair.kept(_ROLE):
        old, new = before.get("PermissionsBoundary"), after.get("PermissionsBoundary")
        if old is not None and old != new:
            text = f"permissions boundary {text_of(old)} -> {text_of(new) if new else 'none'}"
            yield finding("permissions-boundary-removed", pair.place(_role(after, id_)), text)


def _permissions(resources: Resources) -> list[Permission]:
    permissions: dict[Permission, None] = {}
    for id_, (kind, properties) in resources.items():
        if kind in _POLICIES:
            node = _node_of(resources, properties)
            holder = "nodes' role" if node else _holder(resources, kind, id_, properties)
            normalise = _Normaliser(resources, node)
            documents = [properties.get(_POLICIES[kind]), *_inline(properties)]
            for document in documents:
                permissions |= dict.fromkeys(_statements(document, holder, normalise))
            for arn in _listed(properties.get("ManagedPolicyArns")):
                policy = Permission(
                    holder, "Allow", Names(("*",)), Names((f"policy {normalise(arn)}",))
                )
                permissions[policy] = None
    return list(permissions)


def _holder(resources: Resources, kind: str, id_: str, properties: Properties) -> str:
    roles = _listed(properties.get("Roles")) if kind == "AWS::IAM::Policy" else []
    ids = [role for role in map(referred_id, roles) if role is not None and role in resources]
    return ids[0] if ids else id_


def _role(properties: Properties, id_: str) -> str:
    node = resource_tag(properties, names.NODE_TAG)
    return f"role of {node}" if node else id_


def _node_of(resources: Resources, properties: Properties) -> str | None:
    """Return the node of a role, or of a role's policy; None if the role belongs to no node."""
    if node := resource_tag(properties, names.NODE_TAG):
        return node
    for role in map(referred_id, _listed(properties.get("Roles"))):
        _, owner = resources.get(role or "", ("", {}))
        if node := resource_tag(owner, names.NODE_TAG):
            return node
    return None


def _inline(properties: Properties) -> list[Any]:
    policies = _listed(properties.get("Policies"))
    return [mapping_in(policy, "PolicyDocument") for policy in policies]


class _Normaliser:
    """Writer of values as text, in which ids, node names and hashes of files are replaced."""

    def __init__(self, resources: Resources, node: str | None) -> None:
        self._resources = resources
        self._node = re.compile(rf"(?<![\w-]){re.escape(node)}(?![\w-])") if node else None

    def __call__(self, value: Any) -> str:
        text = _HASH.sub("HASH", text_of(self._without_ids(value)))
        return self._node.sub("NODE", text) if self._node else text

    def _without_ids(self, value: Any) -> Any:
        id_ = referred_id(value)
        if id_ is not None and id_ in self._resources:
            return f"<{self._resources[id_][0]}>"
        match value:
            case {"Fn::Join": ["", [*parts]]}:
                return "".join(text_of(self._without_ids(part)) for part in parts)
            case {"Fn::GetStackOutput": {"StackName": str(stack), "OutputName": str(output)}}:
                return f"<{stack}.{output}>"
        if isinstance(value, Mapping):
            return {key: self._without_ids(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._without_ids(item) for item in value]
        return value


def _statements(document: Any, holder: str, normalise: _Normaliser) -> Iterator[Permission]:
    for statement in _listed(document.get("Statement") if isinstance(document, Mapping) else None):
        if not isinstance(statement, Mapping):
            continue
        condition = statement.get("Condition")
        principal = normalise(statement.get("Principal", ""))
        if "NotPrincipal" in statement:
            principal = f"all but {normalise(statement['NotPrincipal'])}"
        for action in _names(statement, "Action", normalise):
            for resource in _names(statement, "Resource", normalise) or [Names(("*",))]:
                yield Permission(
                    holder,
                    str(statement.get("Effect")),
                    action,
                    resource,
                    principal,
                    normalise(condition) if condition else "",
                )


def _names(statement: Mapping[str, Any], key: str, normalise: _Normaliser) -> list[Names]:
    """Return each pattern of `Action` or `Resource`, or all patterns of `NotAction` together."""
    excluded = tuple(sorted(normalise(name) for name in _listed(statement.get(f"Not{key}"))))
    named = [Names((normalise(name),)) for name in _listed(statement.get(key))]
    return [*named, *([Names(excluded, is_excluded=True)] if excluded else [])]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_matched(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern equals a name or matches it.

    A value that is JSON, such as a reference, is not used as a pattern.
    """
    return any(
        name == pattern
        # Escape square brackets: they are wildcards for `fnmatch`, but not for IAM.
        or (not pattern.startswith("{") and fnmatchcase(name, pattern.replace("[", "[[]")))
        for pattern in patterns
    )
