"""The reference page of the configuration's keys; `make reference` writes it.

It is made from the model, so that what it says is what is checked.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic.fields import FieldInfo

from denodo_ha.environment.facts.limits import Range
from denodo_ha.environment.model.catalog import Catalog, ComponentSettings, ExistingServer, Exports
from denodo_ha.environment.model.cluster import (
    Balancer,
    Cluster,
    HostedZone,
    Instance,
    InstanceOverride,
    Network,
    Node,
    PeerVpc,
    Zone,
)
from denodo_ha.environment.model.denodo import Denodo, Jvm, Metadata, Tls
from denodo_ha.environment.model.environment import Environment, LicenseManager, SolutionManager
from denodo_ha.environment.model.failover import Failover
from denodo_ha.environment.model.field_types import Cidr, Form
from denodo_ha.environment.model.haproxy import (
    Haproxy,
    HaproxyChecks,
    HaproxyInstance,
    HaproxyTimeouts,
    HaproxyTls,
)
from denodo_ha.environment.model.pins import Pin
from denodo_ha.environment.model.section import Section
from denodo_ha.environment.model.service import HealthSettings, Service

FILE = Path(__file__).parents[3] / "docs/configuration.md"

_PLACES: tuple[tuple[str, type[Section]], ...] = (
    ("NAME.yaml", Environment),
    ("denodo", Denodo),
    ("denodo.jvm", Jvm),
    ("denodo.tls", Tls),
    ("denodo.metadata", Metadata),
    ("solution_manager", SolutionManager),
    ("license_manager", LicenseManager),
    ("services.NAME", Service),
    ("services.NAME.health, clusters.NAME.balancer.health", HealthSettings),
    ("clusters.NAME", Cluster),
    ("clusters.NAME.network", Network),
    ("clusters.NAME.network.zones.ZONE", Zone),
    ("clusters.NAME.network.node_zone_vpcs[]", PeerVpc),
    ("clusters.NAME.instance", Instance),
    ("clusters.NAME.nodes.NAME", Node),
    ("clusters.NAME.nodes.NAME.instance", InstanceOverride),
    ("clusters.NAME.balancer", Balancer),
    ("clusters.NAME.catalog", Catalog),
    ("clusters.NAME.catalog.existing", ExistingServer),
    ("clusters.NAME.catalog.settings.COMPONENT", ComponentSettings),
    ("clusters.NAME.exports", Exports),
    ("clusters.NAME.balancer.haproxy", Haproxy),
    ("clusters.NAME.balancer.haproxy.instance", HaproxyInstance),
    ("clusters.NAME.balancer.haproxy.timeouts", HaproxyTimeouts),
    ("clusters.NAME.balancer.haproxy.checks", HaproxyChecks),
    ("clusters.NAME.balancer.haproxy.tls", HaproxyTls),
    ("failover", Failover),
    ("failover.zone, clusters.NAME.network.node_zone", HostedZone),
    ("NAME.pins.yaml: CLUSTER.NODE", Pin),
)

_HEAD = """# Configuration reference

One YAML file describes one environment; `config/examples/` has a file for each shape. This page
is made from the model by `make reference`. Rules that join several keys are not in the tables:
synth checks them and says file, line, reason and remedy.

Times are whole seconds, sizes GiB, networks CIDRs in network form, accounts 12 digits in quotes.
Keys name things, so their order never matters.

To find a region's prefix list of Route 53 health checkers, for `network.health_checkers`:

```
aws ec2 describe-managed-prefix-lists --region REGION \\
  --filters Name=prefix-list-name,Values=com.amazonaws.REGION.route53-healthchecks \\
  --query 'PrefixLists[0].PrefixListId' --output text
```
"""


_NOTHING = "-"


def text() -> str:
    """The page as the file has it."""
    parts = [_HEAD]
    for place, part in _PLACES:
        purpose = (part.__doc__ or "").strip().split("\n")[0]
        rows = "\n".join(_row(name, info) for name, info in part.model_fields.items())
        parts.append(
            f"## `{place}`\n\n{purpose}\n\n"
            f"| key | meaning | default | allowed | source |\n|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _row(name: str, info: FieldInfo) -> str:
    meaning, said = _meaning(info)
    cells = (f"`{name}`", meaning, said or _default(info), _allowed(info), _source(info))
    return f"| {' | '.join(cells)} |"


def _meaning(info: FieldInfo) -> tuple[str, str]:
    """The description, and the default if it is only said there, as one that depends on others."""
    text = (info.description or "").replace("|", "\\|")
    said = re.search(r"; default:? (.+?)\.?$", text)
    return (f"{text[: said.start()]}.", said[1]) if said else (text, "")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "compulsory"
    value = info.default
    if value is None or (isinstance(value, Section | Mapping | tuple) and not _content(value)):
        return _NOTHING
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _content(value: Section | Mapping[str, Any] | tuple[Any, ...]) -> object:
    return value.model_dump(exclude_none=True) if isinstance(value, Section) else value


def _allowed(info: FieldInfo) -> str:
    """What a value may be, by the first thing in its type that says so."""
    found = list(_walk(info.annotation, *info.metadata))
    numbers = {type(one): one for one in found if isinstance(one, Ge | Le)}
    if Ge in numbers and Le in numbers:
        return f"{getattr(numbers[Ge], 'ge', '')} to {getattr(numbers[Le], 'le', '')}"
    said = next((said for one in found if (said := _said(one))), "text")
    return f"a list: {said}" if _is_list(info.annotation) else said


def _said(one: Any) -> str:
    if isinstance(one, Form):
        return f"such as `{one.example}`"
    if isinstance(one, str):
        return one
    if one is bool:
        return "true, false"
    if isinstance(one, type) and issubclass(one, Section):
        return "a map, see below"
    if isinstance(one, tuple):
        return ", ".join(f"`{str(item).lower()}`" for item in one)
    return f"at most {one.max_length} characters" if isinstance(one, MaxLen) else ""


def _is_list(annotation: Any) -> bool:
    """Whether a value is a list, whatever surrounds its type."""
    if get_origin(annotation) is tuple:
        return True
    inner = get_args(annotation)
    return get_origin(annotation) in (Annotated, Union, UnionType) and any(
        _is_list(one) for one in inner
    )


def _walk(annotation: Any, *metadata: Any) -> Iterator[Any]:
    """What a type is made of: metadata before the type, values of maps and lists before keys."""
    for one in metadata:
        yield from getattr(one, "metadata", None) or [one]
    if annotation is Cidr:
        yield "such as `10.0.0.0/16`"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _walk(inner[0], *annotation.__metadata__)
    elif origin is Literal:
        yield inner
    elif inner:
        for part in reversed([one for one in inner if one not in (type(None), Ellipsis)]):
            yield from _walk(part)
    else:
        yield annotation


def _source(info: FieldInfo) -> str:
    found = (one for one in _walk(info.annotation, *info.metadata) if isinstance(one, Range))
    return next((one.source for one in found), _NOTHING)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
