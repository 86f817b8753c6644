"""Truth table: the answer of DNS for every combination of the conditions that it depends on.

The table follows from the documented rules. DNS answers a healthy PRIMARY, else a healthy
SECONDARY, else the PRIMARY (Route 53 API, ResourceRecordSet, Failover). An alias is healthy if its
health check and its target are (How Route 53 chooses records). A calculated check is healthy if at
least as many children as its threshold are healthy. A metric check without data has the status
that its setting names; LastKnownStatus is the last status, or healthy if there was none
(HealthCheckConfig).
"""

from functools import cache
from itertools import product

import pytest

from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.model import Model
from tests.drill.sample_templates import Health, model, two_clusters

COLUMNS = {
    "health": ("alias", "alarm", "endpoint", "ip"),
    "control": ("automatic", "operator"),
    # rest: the operators' switch was never thrown; thrown: the switch's last datapoint is 1; held:
    # the switch has no datapoint now, and its last one was 1.
    "switch": ("rest", "thrown", "held"),
    # silent: the cluster serves, but its alarm's metric has no data.
    "primary": ("well", "dead", "silent"),
    "secondary": ("well", "dead", "silent", "unchecked-well", "unchecked-dead"),
}

# `*` stands for every value. The column `side` has the cluster that DNS answers with: A (primary)
# or B (secondary).
TABLE = """
side  health       control    switch       primary      secondary
A     alias        automatic  rest         well|silent  *
B     alias        automatic  rest         dead         well|silent|unchecked-well
A     alias        automatic  rest         dead         dead|unchecked-dead
B     alias        automatic  thrown|held  *            well|silent|unchecked-well
A     alias        automatic  thrown|held  *            dead|unchecked-dead

A     alarm        automatic  rest         well         *
B     alarm        automatic  rest         dead|silent  well|unchecked-well|unchecked-dead
A     alarm        automatic  rest         dead|silent  dead|silent
B     alarm        automatic  thrown|held  *            well|unchecked-well|unchecked-dead
A     alarm        automatic  thrown|held  *            dead|silent
A     alarm        operator   rest         *            *
B     alarm        operator   thrown|held  *            well|unchecked-well|unchecked-dead
A     alarm        operator   thrown|held  *            dead|silent

A     endpoint|ip  automatic  rest         well|silent  *
B     endpoint|ip  automatic  rest         dead         well|silent|unchecked-well|unchecked-dead
A     endpoint|ip  automatic  rest         dead         dead
B     endpoint|ip  automatic  thrown|held  *            well|silent|unchecked-well|unchecked-dead
A     endpoint|ip  automatic  thrown|held  *            dead
A     endpoint|ip  operator   rest         *            *
B     endpoint|ip  operator   thrown|held  *            well|silent|unchecked-well|unchecked-dead
A     endpoint|ip  operator   thrown|held  *            dead
"""

Row = tuple[str, ...]


def rows() -> list[tuple[Row, str]]:
    """Return each combination of the columns' values in the table, with its side (A or B)."""
    combinations = []
    for line in TABLE.strip().splitlines()[1:]:
        if line:
            side, *cells = line.split()
            values = [
                COLUMNS[name] if cell == "*" else cell.split("|")
                for name, cell in zip(COLUMNS, cells, strict=True)
            ]
            combinations += [(row, side) for row in product(*values)]
    return combinations


def possible() -> set[Row]:
    """Return every combination of the columns' values, except an alias with `control: operator`.

    A configuration with these two is refused, because an alias always evaluates its target.
    """
    return {row for row in product(*COLUMNS.values()) if (row[0], row[1]) != ("alias", "operator")}


def test_the_table_has_every_combination_once() -> None:
    in_table = [row for row, _ in rows()]
    assert len(in_table) == len(set(in_table))
    assert set(in_table) == possible()


@cache
def model_of(health: Health, control: str, *, checked: bool) -> Model:
    return model(two_clusters(health, control=control, secondary=checked))


@pytest.mark.parametrize("health", COLUMNS["health"])
def test_dns_answers_as_in_the_table(health: Health) -> None:
    wrong = {}
    for row, expected in rows():
        if row[0] != health:
            continue
        _, control, switch, primary, secondary = row
        checked = not secondary.startswith("unchecked")
        of_row = model_of(health, control, checked=checked)
        situation = _situation(of_row, switch, primary, secondary.removeprefix("unchecked-"))
        (name,) = of_row.failover_names
        answer = Engine(of_row).health(situation).answer(name)
        if {"PRIMARY": "A", "SECONDARY": "B"}[answer] != expected:
            wrong[row] = answer
    assert wrong == {}


def _situation(of_row: Model, switch: str, primary: str, secondary: str) -> Situation:
    states, silent = [], set()
    for side, value in (("a", primary), ("b", secondary)):
        if value == "dead":
            nodes = frozenset(of_row.clusters[f"site-{side}"].nodes)
            states.append((f"site-{side}", ClusterState(lost_machines=nodes)))
        if value == "silent":
            silent.add(f"site-{side}/NoneHealthy")
    return Situation(
        tuple(states),
        alarms_without_data=frozenset(silent),
        thrown_switches=frozenset({"names/Lever"} if switch == "thrown" else ()),
        last_statuses=(("names/LeverCheck", False),) if switch == "held" else (),
    )


def test_an_unchecked_alias_still_evaluates_its_target() -> None:
    """For an alias record, the table has the same rows for an unchecked secondary.

    Route 53 evaluates the alias's target even without a health check.
    """
    (name,) = model_of("alias", "automatic", checked=False).failover_names
    assert name.secondary.check is None
    assert name.secondary.evaluates
