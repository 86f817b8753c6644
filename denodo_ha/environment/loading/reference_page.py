"""The reference page of the configuration's keys; `make reference` writes it from the model."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic.fields import FieldInfo

from denodo_ha.environment.facts.limits import Range
from denodo_ha.environment.loading.reference_examples import EXAMPLES
from denodo_ha.environment.model.alarms import Alarms, AlarmTopics
from denodo_ha.environment.model.catalog import (
    Catalog,
    ComponentSettings,
    DatabaseCopy,
    ExistingServer,
    Exports,
)
from denodo_ha.environment.model.cluster import (
    Balancer,
    Capacity,
    Cluster,
    Egress,
    HostedZone,
    Instance,
    InstanceOverride,
    Network,
    Node,
    PeerVpc,
    Zone,
)
from denodo_ha.environment.model.denodo import Denodo, Jvm, Metadata, Tls
from denodo_ha.environment.model.environment import (
    Acceptance,
    Environment,
)
from denodo_ha.environment.model.failover import Failover
from denodo_ha.environment.model.field_types import Cidr, Form
from denodo_ha.environment.model.haproxy import (
    Haproxy,
    HaproxyChecks,
    HaproxyInstance,
    HaproxyTimeouts,
    HaproxyTls,
)
from denodo_ha.environment.model.managers import LicenseManager, SolutionManager
from denodo_ha.environment.model.pins import Pin
from denodo_ha.environment.model.section import Section
from denodo_ha.environment.model.service import HealthSettings, Service

FILE = Path(__file__).parents[3] / "docs/reference/configuration.md"

SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("NAME.yaml", Environment),
    ("denodo", Denodo),
    ("denodo.jvm", Jvm),
    ("denodo.tls", Tls),
    ("denodo.metadata", Metadata),
    ("solution_manager, clusters.NAME.solution_manager", SolutionManager),
    ("license_manager, clusters.NAME.license_manager", LicenseManager),
    ("alarms", Alarms),
    ("alarms.topics", AlarmTopics),
    ("accept.FINDING", Acceptance),
    ("services.NAME", Service),
    ("services.NAME.health, clusters.NAME.balancer.health", HealthSettings),
    ("clusters.NAME", Cluster),
    ("clusters.NAME.network", Network),
    ("clusters.NAME.network.zones.ZONE", Zone),
    ("clusters.NAME.network.egress[]", Egress),
    ("clusters.NAME.network.node_zone_vpcs[]", PeerVpc),
    ("clusters.NAME.instance", Instance),
    ("clusters.NAME.nodes.NAME", Node),
    ("clusters.NAME.nodes.NAME.instance", InstanceOverride),
    ("clusters.NAME.balancer", Balancer),
    ("clusters.NAME.capacity", Capacity),
    ("clusters.NAME.catalog", Catalog),
    ("clusters.NAME.catalog.existing", ExistingServer),
    ("clusters.NAME.catalog.copy", DatabaseCopy),
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
is generated from the model by `make reference`. Rules between several keys are not in the
tables: `denodo-ha check` checks them and reports file, line, reason and remedy.

Times are whole seconds, sizes GiB, networks CIDRs in network form, accounts 12 digits in quotes.
The order of keys never matters.

To find a region's prefix list of Route 53 health checkers, for `network.health_checkers`:

```
aws ec2 describe-managed-prefix-lists --region REGION \\
  --filters Name=prefix-list-name,Values=com.amazonaws.REGION.route53-healthchecks \\
  --query 'PrefixLists[0].PrefixListId' --output text
```
"""


_NO_VALUE = "-"
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


def text() -> str:
    """Return the content of the reference page, in Markdown."""
    parts = [_HEAD]
    for path, section in SECTIONS:
        purpose = " ".join((section.__doc__ or "").strip().split("\n\n")[0].split())
        rows = "\n".join(_row(name, info) for name, info in section.model_fields.items())
        example = EXAMPLES[path.partition(", ")[0]].strip()
        parts.append(
            f"## `{path}`\n\n{purpose}\n\n```yaml\n{example}\n```\n\n"
            f"| key | meaning | default | allowed | source |\n|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _row(name: str, info: FieldInfo) -> str:
    meaning, default = _meaning_and_default(info)
    cells = (f"`{name}`", meaning, default or _default(info), _allowed(info), _source(info))
    return f"| {' | '.join(cells)} |"


def _meaning_and_default(info: FieldInfo) -> tuple[str, str]:
    """Return a field's description without the default, and the default; "" without a default."""
    text = (info.description or "").replace("|", "\\|")
    default = re.search(r"; default:? (.+?)\.?\Z", text)
    return (f"{text[: default.start()]}.", default[1]) if default else (text, "")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    says_more = re.search("[Dd]efault|[Rr]equired", info.description or "")
    return "see its meaning" if info.default is None and says_more else _readable(info.default)


def _readable(value: Any) -> str:
    """Return a default value as in a configuration file; long times also in hours or days."""
    match value:
        case None | () | {}:
            return "none"
        case Section():
            keys = value.model_dump(exclude_defaults=True).items()
            words = ", ".join(f"{key}: {item}" for key, item in keys)
            return f"`{{{words}}}`" if words else "the defaults below"
        case tuple():
            return ", ".join(f"`{item}`" for item in value)
        case bool():
            return f"`{str(value).lower()}`"
    is_long = isinstance(value, int) and value >= _HOUR_S and value % _HOUR_S == 0
    return f"`{value}` ({_duration(value)})" if is_long else f"`{value}`"


def _duration(seconds: int) -> str:
    """Return a number of seconds in days or hours."""
    days, rest = divmod(seconds, _DAY_S)
    number, unit = (seconds // _HOUR_S, "hour") if rest else (days, "day")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _allowed(info: FieldInfo) -> str:
    """Return a field's allowed values, from the first part of the type that limits values."""
    parts = list(_type_parts(info.annotation, *info.metadata))
    numbers = {type(part): part for part in parts if isinstance(part, Ge | Le)}
    if Ge in numbers and Le in numbers:
        words = [f"{_allowed_by(part)}, " for part in parts if isinstance(part, tuple)]
        bounds = f"{getattr(numbers[Ge], 'ge', '')} to {getattr(numbers[Le], 'le', '')}"
        return "".join((*words, bounds))
    allowed = next((text for part in parts if (text := _allowed_by(part))), "text")
    return f"a list: {allowed}" if _is_list(info.annotation) else allowed


def _allowed_by(part: Any) -> str:
    """Return the values that a part of a type allows; empty if the part does not limit them."""
    if isinstance(part, Form):
        return f"such as `{part.example}`"
    if isinstance(part, str):
        return part
    if part is bool:
        return "true, false"
    if isinstance(part, type) and issubclass(part, Section):
        return "a map, see below"
    if isinstance(part, tuple):
        words = (str(item).lower() if isinstance(item, bool) else item for item in part)
        return ", ".join(f"`{word}`" for word in words)
    return f"at most {part.max_length} characters" if isinstance(part, MaxLen) else ""


def _is_list(annotation: Any) -> bool:
    """Return whether a type is a list, also inside of a union or of `Annotated`."""
    if get_origin(annotation) is tuple:
        return True
    inner = get_args(annotation)
    return get_origin(annotation) in (Annotated, Union, UnionType) and any(
        _is_list(part) for part in inner
    )


def _type_parts(annotation: Any, *metadata: Any) -> Iterator[Any]:
    """Yield the parts of a type: metadata before the type, values of maps before their keys."""
    for item in metadata:
        yield from getattr(item, "metadata", None) or [item]
    if annotation is Cidr:
        yield "such as `10.0.0.0/16`"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _type_parts(inner[0], *annotation.__metadata__)
    elif origin is Literal:
        yield inner
    elif inner:
        for part in reversed([item for item in inner if item not in (type(None), Ellipsis)]):
            yield from _type_parts(part)
    else:
        yield annotation


def _source(info: FieldInfo) -> str:
    parts = _type_parts(info.annotation, *info.metadata)
    return next((part.source for part in parts if isinstance(part, Range)), _NO_VALUE)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
