"""Which side DNS answers: asked of this machine's resolver, and of Route 53 itself."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Sides

PATIENCE_S: Final = 5.0
"""Ours: how long a resolver may think; libraries wait half a minute for one that is gone."""

RESOLVER: Final = "this machine's resolver"
ROUTE53: Final = "Route 53 (TestDNSAnswer)"
RULES: Final = "the checks, by the rules"
SWITCH: Final = "the switch's check"


@dataclass(frozen=True)
class DnsAnswer:
    """Which side is answered.

    Attributes:
        role: the side; None if neither, or not known.
        by: who says so.
        said: what was answered, or why there is no answer.
    """

    role: Role | None
    by: str
    said: str


@dataclass(frozen=True)
class Resolved:
    """What a name leads to."""

    names: frozenset[str]
    addresses: frozenset[str]


Lookup = Callable[[str], Resolved | None]


def lookup(name: str) -> Resolved | None:
    """What this machine's resolver says of a name; None if nothing, or not soon."""
    found: list[Resolved] = []

    def ask() -> None:
        try:
            canonical, aliases, addresses = socket.gethostbyname_ex(name)
        except OSError:
            return
        chain = frozenset(one.rstrip(".").lower() for one in (canonical, *aliases))
        found.append(Resolved(chain, frozenset(addresses)))

    # A daemon, as the program must be able to end while the library still waits.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return found[0] if found else None


def by_resolver(site: FailoverLocation, sides: Sides, look: Lookup = lookup) -> DnsAnswer:
    """What this machine's resolver answers, which is what its clients get."""
    answered = look(site.endpoint)
    if answered is None:
        return DnsAnswer(None, RESOLVER, f"{site.endpoint} is not resolved on this machine")
    said = ", ".join(sorted(answered.addresses)) or "no address"
    return DnsAnswer(_side(answered, sides, look), RESOLVER, said)


def by_route53(aws: Aws, site: FailoverLocation, sides: Sides, look: Lookup = lookup) -> DnsAnswer:
    """What Route 53 answers now, before any cache; of public zones only (AWS, TestDNSAnswer)."""
    kind = "A" if sides.primary.alias or _is_address(sides.primary.target) else "CNAME"
    try:
        with translated_errors():
            shown = aws.client("route53", site.region).test_dns_answer(
                HostedZoneId=site.zone_id, RecordName=site.endpoint, RecordType=kind
            )
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return DnsAnswer(None, ROUTE53, str(error))
    values = frozenset(one.rstrip(".").lower() for one in shown.get("RecordData", []))
    answered = Resolved(values, values)
    said = ", ".join(sorted(values)) or f"nothing ({shown.get('ResponseCode')})"
    return DnsAnswer(_side(answered, sides, look), ROUTE53, said)


def by_rules(sides: Sides) -> DnsAnswer:
    """What Route 53 must answer by its rules, if nobody can be asked."""
    primary, secondary = sides.both
    said = f"{primary.cluster} counts as {primary.counts_as}, {secondary.cluster} as "
    return DnsAnswer(sides.answered, RULES, said + secondary.counts_as)


def best(aws: Aws, site: FailoverLocation, sides: Sides, look: Lookup = lookup) -> DnsAnswer:
    """The answer of the first who knows one: resolver, Route 53, rules."""
    answer = by_resolver(site, sides, look)
    if answer.role is None:
        asked = by_route53(aws, site, sides, look)
        answer = asked if asked.role is not None else by_rules(sides)
    return answer


def _side(answered: Resolved, sides: Sides, look: Lookup) -> Role | None:
    """The one side that an answer leads to."""
    fits: set[Role] = set()
    for side in sides.both:
        if not side.target:
            continue
        if side.target in answered.names | answered.addresses:
            return side.role
        if answered.addresses and not _is_address(side.target):
            there = look(side.target)
            if there and there.addresses & answered.addresses:
                fits.add(side.role)
    return fits.pop() if len(fits) == 1 else None


def _is_address(target: str) -> bool:
    return bool(target) and not target.strip("0123456789.")
