"""Rows for configuration keys: a change for the worse and its finding, or a reason for none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.support.configurations import ACCOUNT, IMAGE, UUID, Data, changed, twins

OWN: Final = "clusters/main"
PROXY: Final = "clusters/spare"
HAPROXY: Final = f"{PROXY}/balancer/haproxy"


def arn(service: str, resource: str, region: str = "eu-west-1") -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


_SECRET: Final = arn("secretsmanager", "secret:denodo/x-AbCdEf")
_THERE: Final = arn("secretsmanager", "secret:denodo/x-AbCdEf", "us-east-1")
_OTHER: Final = arn("secretsmanager", "secret:denodo/y-AbCdEf", "us-east-1")
_KEY: Final = arn("kms", f"key/{UUID}")
_KEY_THERE: Final = arn("kms", f"key/{UUID}", "us-east-1")
_SECRETS: Final = {"main": _SECRET, "spare": _THERE}
_CATALOG: Final[Data] = {"components": ["scheduler", "data-catalog"], "max_storage_gib": 200}

BASE: Final = changed(
    twins(),
    {
        "alarms": {"email": ["a@example.com"], "nodes": True},
        "logs": {"retention_days": 90, "statements": True, "kms_key": {"eu-west-1": _KEY}},
        "denodo/servers": ["vdp", "data-catalog", "scheduler", "scheduler-admin"],
        "denodo/jvm": {"vdp": "-Xmx8g", "web": "-Xmx2g", "scheduler": "-Xmx2048m"},
        "denodo/security_token": _SECRETS,
        "denodo/readiness": "strict",
        "solution_manager": {"cidrs": ["10.9.0.0/24"], "host": "sm.example.com"},
        "license_manager": {"host": "sm.example.com"},
        "services/jdbc": {"port": 9999, "sticky": True},
        "services/odbc": {"port": 9996},
        "services/web": {"port": 9090, "sticky": True},
        "services/web-tls": {"port": 9443, "sticky": True},
        "failover/health": "alarm",
        "failover/check_every": 12,
        f"{OWN}/license_manager": {"host": "sm.example.com", "tls": True},
        f"{OWN}/network/node_zone_vpcs": ["vpc-0123456789abcdef1"],
        f"{OWN}/network/egress": [{"to": "10.0.0.0/8"}, {"to": "0.0.0.0/0", "ports": [443]}],
        f"{OWN}/instance": {
            "type": "m5.2xlarge",
            "image": IMAGE,
            "kms_key": _KEY,
            "key": "k",
            "data_disk_gib": 100,
            "data_disk_path": "/data",
        },
        f"{OWN}/balancer/zonal_shift": True,
        f"{OWN}/balancer/addresses": {"eu-west-1a": "10.0.0.20", "eu-west-1b": "10.0.32.40"},
        f"{OWN}/catalog": {**_CATALOG, "copy": {"to": "spare", "kms_key": _KEY_THERE}},
        f"{OWN}/exports": {"login": _SECRET, "every": 3600, "not_compared": ["a"]},
        f"{OWN}/capacity": {"reserve": 2},
        f"{PROXY}/network/nat": "none",
        f"{PROXY}/network/endpoints": ["athena"],
        f"{PROXY}/balancer/kind": "haproxy",
        f"{HAPROXY}/instance": {"type": "c7i.xlarge", "image": IMAGE, "kms_key": _KEY_THERE},
        f"{HAPROXY}/tls": {"mode": "reencrypt", "certificate": _THERE, "authority": _OTHER},
        f"{HAPROXY}/metrics_clients": ["10.0.0.0/24"],
        f"{PROXY}/catalog": _CATALOG,
    },
)
"""Configuration with a cluster behind a load balancer and a cluster behind HAProxy. The
configuration contains every key that a change of a row can remove or make worse."""


@dataclass(frozen=True)
class Worse:
    """A change that makes a key worse. One review covers all changes of this class together.

    Attributes:
        changes: the changes by path.
        name: the finding.
        text: part of the finding's text.
        part: the part of the cluster that the finding names; empty for any.
    """

    changes: Mapping[str, Any]
    name: str
    text: str
    part: str = ""


@dataclass(frozen=True)
class Seeded:
    """A change in `seeded_changes.py`, by its name in that module."""

    name: str


@dataclass(frozen=True)
class Edited:
    """Edit of templates with the same effect as a change of the key, but without a synthesis.

    Attributes:
        kind: type of the edited resources; empty for the desired states.
        edit: function that edits the properties of a resource, or a desired state.
        name: the finding.
        before: function that edits the templates before the change.
    """

    kind: str
    edit: Callable[[dict[str, Any]], object]
    name: str
    before: Callable[[dict[str, Any]], object] | None = None


@dataclass(frozen=True)
class OwnCase:
    """A key whose change has a test of its own, in `test_configuration_keys.py`."""

    test: str


@dataclass(frozen=True)
class Like:
    """A key with the same effect as another key, or as a section with the same keys."""

    key: str


@dataclass(frozen=True)
class Harmless:
    """A key without a finding of its own, and the reason."""

    reason: str


Row = Worse | Seeded | Edited | OwnCase | Like | Harmless

WRONG_VALUE: Final = "neither direction is worse; a wrong value fails, and roll stops at one node"
VALUE: Final = "the value of the change is what the reviewer reads; neither direction is worse"
NAMED_ELSEWHERE: Final = "named by stack-moved, as tests/review/test_review.py shows"
FAILURE_WORSE: Final = "failure-worse"


def set_property(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    """Return an edit that sets a property."""
    return lambda properties: properties.update({key: value})
