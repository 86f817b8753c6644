"""DNS answer: the cluster that the failover name resolves to, from a resolver or Route 53."""

import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, TypeVar

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Sides

PATIENCE_S: Final = 3.0
"""Project default: seconds for one lookup; resolver libraries wait up to 30 s."""

RESOLVER: Final = "this machine's resolver"
ROUTE53: Final = "Route 53 (TestDNSAnswer)"
RULES: Final = "the health checks, by Route 53's rules"
SWITCH: Final = "the switch's health check"


@dataclass(frozen=True)
class DnsAnswer:
    """The role, primary or secondary, whose cluster DNS answers with.

    Attributes:
        role: the role; None if the answer belongs to neither cluster, or if there is no answer.
        by: the source of the answer, such as this machine's resolver.
        text: the answer, or why there is none.
    """

    role: Role | None
    by: str
    text: str


@dataclass(frozen=True)
class Resolved:
    """The names and addresses that a name resolves to."""

    names: frozenset[str]
    addresses: frozenset[str]


Lookup = Callable[[str], Resolved | None]
Side = TypeVar("Side", bound=str)


def lookup(name: str) -> Resolved | None:
    """Resolve a name with this machine's resolver; None without an answer within `PATIENCE_S`."""
    answers: list[Resolved] = []

    def resolve() -> None:
        try:
            canonical, aliases, addresses = socket.gethostbyname_ex(name)
        except OSError:
            return
        chain = frozenset(part.rstrip(".").lower() for part in (canonical, *aliases))
        answers.append(Resolved(chain, frozenset(addresses)))

    # A daemon thread does not keep the program running while the library still waits for an answer.
    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(deadline.left(PATIENCE_S), 0))
    return answers[0] if answers else None


def lookup_ahead(name: str) -> Lookup:
    """Begin to resolve a name; return a lookup that waits for the answer if given this name."""
    answers: list[Resolved | None] = []
    begin = copy_context().run
    thread = threading.Thread(
        target=begin, args=(lambda: answers.append(lookup(name)),), daemon=True
    )
    thread.start()

    def look(other: str) -> Resolved | None:
        if other != name:
            return lookup(other)
        thread.join()  # no timeout: `lookup` ends within `PATIENCE_S`
        return answers[0] if answers else None

    return look


def by_resolver(site: FailoverLocation, sides: Sides, look: Lookup = lookup) -> DnsAnswer:
    """Return the answer of this machine's resolver, which all programs on this machine use."""
    answered = look(site.endpoint)
    if answered is None:
        return DnsAnswer(None, RESOLVER, f"{site.endpoint} cannot be resolved on this machine")
    text = ", ".join(sorted(answered.addresses)) or "no address"
    return DnsAnswer(_side(answered, sides, look), RESOLVER, text)


def by_route53(aws: Aws, site: FailoverLocation, sides: Sides, look: Lookup = lookup) -> DnsAnswer:
    """Return Route 53's uncached answer; works only for public zones (AWS, TestDNSAnswer)."""
    kind = "A" if sides.primary.alias or _is_address(sides.primary.target) else "CNAME"
    try:
        with translated_errors():
            answer = aws.client("route53", site.region).test_dns_answer(
                HostedZoneId=site.zone_id, RecordName=site.endpoint, RecordType=kind
            )
            values = frozenset(value.rstrip(".").lower() for value in answer["RecordData"])
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return DnsAnswer(None, ROUTE53, str(error))
    answered = Resolved(values, values)
    text = ", ".join(sorted(values)) or f"nothing ({answer.get('ResponseCode')})"
    return DnsAnswer(_side(answered, sides, look), ROUTE53, text)


def by_rules(sides: Sides) -> DnsAnswer:
    """Return the answer that Route 53's rules give for the current state of the health checks."""
    primary, secondary = sides.both
    text = f"{primary.cluster} counts as {primary.counts_as}, {secondary.cluster} as "
    return DnsAnswer(sides.answered, RULES, text + secondary.counts_as)


def best(aws: Aws, site: FailoverLocation, sides: Sides, look: Lookup = lookup) -> DnsAnswer:
    """Return the first answer with a known role: from the resolver, Route 53, or the rules."""
    answer = by_resolver(site, sides, look)
    if answer.role is None:
        route53 = by_route53(aws, site, sides, look)
        answer = route53 if route53.role is not None else by_rules(sides)
    return answer


def _side(answered: Resolved, sides: Sides, look: Lookup) -> Role | None:
    return matching_role(answered, {side.role: side.target for side in sides.both}, look)


def matching_role(
    answered: Resolved, targets: Mapping[Side, str], look: Lookup = lookup
) -> Side | None:
    """Return the role or cluster whose record matches the answer, None if none or several match.

    Args:
        answered: the names and addresses to which the failover name resolves.
        targets: DNS name or address of each role's record; empty if it is not known.
        look: resolves a name.
    """
    roles: set[Side] = set()
    for role, target in targets.items():
        if not target:
            continue
        if target in answered.names | answered.addresses:
            return role
        if answered.addresses and not _is_address(target):
            resolved = look(target)
            if resolved and resolved.addresses & answered.addresses:
                roles.add(role)
    return roles.pop() if len(roles) == 1 else None


def _is_address(target: str) -> bool:
    return bool(target) and not target.strip("0123456789.")
