"""Each published limit is in the code once, with its source; the model's values are within it."""

import ast
from pathlib import Path
from typing import Any, get_args

import pytest
from annotated_types import Ge, Le

from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.limits import Limit, Range
from denodo_ha.environment.model.cluster import DelaySeconds, DiskGib
from denodo_ha.environment.model.denodo import StartLimit
from denodo_ha.environment.model.failover import CheckHours, Failover, FailureThreshold, TtlSeconds
from denodo_ha.environment.model.service import IdleTimeout, Interval, Threshold, Timeout
from tests.support.assembly import ROOT

LIMITS = {name: value for name, value in vars(limits).items() if isinstance(value, Limit)}
RANGES = {name: value for name, value in vars(limits).items() if isinstance(value, Range)}
SOURCES = {name: one.source for name, one in LIMITS.items()} | {
    name: one.source for name, one in RANGES.items()
}


def test_numbers_are_the_published_ones() -> None:
    assert {name: (one.value, one.adjustable) for name, one in LIMITS.items()} == {
        "LISTENERS_PER_NLB": (50, False),
        "TARGETS_PER_NLB": (500, True),
        "TARGETS_PER_ALB_BEHIND_NLB": (100, False),
        "RULES_PER_SECURITY_GROUP": (60, True),
        "HEALTH_CHECKERS_WEIGHT": (25, False),
        "ELASTIC_IPS_PER_REGION": (5, True),
        "USER_DATA_BYTES": (16_384, False),
        "RESOURCES_PER_TEMPLATE": (500, False),
        "HEALTH_CHECKS_PER_ACCOUNT": (200, True),
        "RECORDS_PER_HOSTED_ZONE": (10_000, True),
        "TAGS_PER_RESOURCE": (50, False),
        "POLICIES_PER_ROLE": (10, True),
        "DATABASE_ZONES": (2, False),
        "SECRET_BYTES": (65_536, False),
        "PARAMETER_BYTES": (8192, False),
    }


def test_ranges_are_the_published_ones() -> None:
    assert {name: (one.low, one.high) for name, one in RANGES.items()} == {
        "HEALTH_INTERVAL_S": (5, 300),
        "HEALTH_TIMEOUT_S": (2, 120),
        "HEALTH_THRESHOLD": (2, 10),
        "DEREGISTRATION_DELAY_S": (0, 3600),
        "IDLE_TIMEOUT_S": (60, 6000),
        "ALB_IDLE_TIMEOUT_S": (1, 4000),
        "RECORD_TTL_S": (0, 2**31 - 1),
        "FAILURE_THRESHOLD": (1, 10),
        "CHECK_EVERY_H": (1, 24),
        "VPC_PREFIX": (16, 28),
        "CAPACITY_PLACES": (1, 1000),
        "DISK_GIB": (1, 65_536),
        "DATABASE_STORAGE_GIB": (20, 65_536),
        "DATABASE_RETENTION_DAYS": (1, 35),
        "DATABASE_CONNECTIONS": (20, 5000),
        "DATABASE_WINDOW_S": (1800, 86_400),
        "DATABASE_FAILOVER_S": (60, 120),
        "ALB_SUBNET_PREFIX": (16, 27),
        "CREATION_TIMEOUT_S": (300, 43_200),
    }


@pytest.mark.parametrize("name", SOURCES)
def test_says_who_publishes_it(name: str) -> None:
    assert SOURCES[name].startswith("AWS, ")


def test_is_shown_with_what_it_counts_and_its_source() -> None:
    assert str(limits.LISTENERS_PER_NLB) == (
        "50 listeners of a Network Load Balancer (AWS, Quotas for your Network Load Balancers)"
    )


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (Interval, limits.HEALTH_INTERVAL_S),
        (Timeout, limits.HEALTH_TIMEOUT_S),
        (Threshold, limits.HEALTH_THRESHOLD),
        (DelaySeconds, limits.DEREGISTRATION_DELAY_S),
        (IdleTimeout, limits.IDLE_TIMEOUT_S),
        (TtlSeconds, limits.RECORD_TTL_S),
        (FailureThreshold, limits.FAILURE_THRESHOLD),
        (CheckHours, limits.CHECK_EVERY_H),
        (DiskGib, limits.DISK_GIB),
        (StartLimit, limits.CREATION_TIMEOUT_S),
    ],
)
def test_bounds_of_the_model_are_the_limits(kind: Any, allowed: Range) -> None:
    bounds = [bound for one in kind.__metadata__ for bound in getattr(one, "metadata", []) if bound]
    assert [one.ge for one in bounds if isinstance(one, Ge)] == [allowed.low]
    assert [one.le for one in bounds if isinstance(one, Le)] == [allowed.high]


def test_intervals_of_endpoint_checks_are_the_limits() -> None:
    literal, _none = get_args(Failover.model_fields["interval"].annotation)
    assert get_args(literal) == limits.ENDPOINT_INTERVALS_S


def test_defaults_are_allowed() -> None:
    assert limits.HEALTH_TIMEOUT_DEFAULT_S < limits.HEALTH_INTERVAL_DEFAULT_S
    for value, allowed in (
        (limits.HEALTH_INTERVAL_DEFAULT_S, limits.HEALTH_INTERVAL_S),
        (limits.HEALTH_TIMEOUT_DEFAULT_S, limits.HEALTH_TIMEOUT_S),
        (limits.HEALTH_THRESHOLD_DEFAULT, limits.HEALTH_THRESHOLD),
        (limits.DEREGISTRATION_DELAY_DEFAULT_S, limits.DEREGISTRATION_DELAY_S),
        (limits.DISK_DEFAULT_GIB, limits.DISK_GIB),
        (limits.START_LIMIT_DEFAULT_S, limits.CREATION_TIMEOUT_S),
        (limits.STOP_LIMIT_DEFAULT_S, limits.CREATION_TIMEOUT_S),
    ):
        assert allowed.low <= value <= allowed.high


def test_the_least_time_to_start_leaves_some_for_the_servers() -> None:
    assert limits.CREATION_TIMEOUT_S.low > limits.SETUP_SHARE_S


OURS = {
    ("denodo_ha/environment/derived/node_alarms.py", 86_400),
    ("denodo_ha/environment/facts/instance_memory.py", 1024),
    ("denodo_ha/environment/haproxy/systemd_unit.py", 1000),
    ("denodo_ha/environment/loading/bounded_document.py", 100),
    ("denodo_ha/environment/loading/problem.py", 120),
    ("denodo_ha/environment/loading/reference_page.py", 3600),
    ("denodo_ha/environment/loading/yaml_document.py", 50),
    ("denodo_ha/environment/model/catalog.py", 100),
    ("denodo_ha/environment/model/catalog.py", 1000),
    ("denodo_ha/environment/model/denodo.py", 3600),
    ("denodo_ha/environment/model/haproxy.py", 86_400),
    ("denodo_ha/environment/model/logs.py", 60),
    ("denodo_ha/environment/model/logs.py", 120),
    ("stacks/haproxy/instances.py", 100),
}
"""Numbers that only happen to equal a published limit: seconds of a day, MiB in a GiB, files that
HAProxy opens, maximum depth of an answer and of a file, length of a shown value, of a pattern and
of a setting, the longest wait for busy nodes, lifetime of an old worker, days for which CloudWatch
can keep logs, 100 percent.
"""
UNITS = {60, 1024, 3600}
"""Factors between units of time and of memory; a product with one of them is not a limit."""


def _numbers() -> set[int]:
    """Return the large numbers in `limits`; small numbers also occur as ordinary counts."""
    nodes = ast.walk(ast.parse((ROOT / "denodo_ha/environment/facts/limits.py").read_text()))
    numbers = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {number for number in numbers if type(number) is int and number > 30}


def _is_minute_or_hour(node: ast.AST) -> bool:
    """Return whether a value is named as seconds or minutes; 60 is then a minute or an hour."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name.endswith(("_S", "_MIN", "_MINUTES"))
        case ast.keyword(arg=str(name)):
            return name.endswith("minutes")
    return False


def _repeated(root: Path, *folders: str) -> set[tuple[str, int]]:
    """Return the published numbers in all files below the folders, except the file of limits."""
    published = _numbers()
    assert {50, 60, 500, 3600, 65_536} <= published
    result = set()
    for file in [file for folder in folders for file in (root / folder).rglob("*.py")]:
        nodes = list(ast.walk(ast.parse(file.read_text())))
        factors = {
            id(operand)
            for node in nodes
            if isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mult | ast.Div | ast.FloorDiv | ast.Pow)
            for operand in (node.left, node.right)
            if isinstance(operand, ast.Constant) and operand.value in UNITS
        } | {
            id(constant)
            for node in nodes
            if _is_minute_or_hour(node)
            for constant in ast.walk(node)
            if isinstance(constant, ast.Constant) and constant.value == 60
        }
        result |= {
            (file.relative_to(root).as_posix(), node.value)
            for node in nodes
            if isinstance(node, ast.Constant)
            and type(node.value) is int
            and node.value in published
            and id(node) not in factors
        }
    return {(name, number) for name, number in result if not name.endswith("facts/limits.py")}


def test_no_number_stands_anywhere_else() -> None:
    assert _repeated(ROOT, "denodo_ha/environment", "stacks") == OURS


def test_a_number_in_any_folder_is_found(tmp_path: Path) -> None:
    """The search finds a number in a file of any folder, also of a subfolder."""
    for name in ("stacks/network/deep/vpc.py", "stacks/top.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("TARGETS = 500\nMINUTES = 7 * 60\n_PERIOD_S = 60\nRULES = 60\n")
    files = ("stacks/network/deep/vpc.py", "stacks/top.py")
    found = {(file, number) for file in files for number in (60, 500)}
    assert _repeated(tmp_path, "stacks") == found
