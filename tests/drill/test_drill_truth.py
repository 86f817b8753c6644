"""The truth table: which side DNS answers, for every combination of what decides it.

The table is written from the documented rules: a PRIMARY that is healthy answers, else a SECONDARY
that is healthy, else the PRIMARY (Route 53 API, ResourceRecordSet, Failover); an alias needs its
HealthCheckId and its target (How Route 53 chooses records); a calculated check needs its threshold
of children; a metric check without data has the status that its setting says, and LastKnownStatus
is what it was, or healthy (HealthCheckConfig).
"""

from itertools import product

import pytest

from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model import Model
from tests.drill.handmade import Kind, model, site

COLUMNS = {
    "kind": ("alias", "alarm", "endpoint", "ip"),
    "control": ("automatic", "operator"),
    # Nobody has touched it; a datapoint of 1 is there; it was, and nothing came since.
    "switch": ("rest", "thrown", "held"),
    # Silent: it serves, and its alarm's metric reports nothing.
    "primary": ("well", "dead", "silent"),
    "secondary": ("well", "dead", "silent", "unchecked-well", "unchecked-dead"),
}

# A star is every value. The first column's side is A, the primary, or B, the secondary.
TABLE = """
side  kind         control    switch       primary      secondary
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
    """Every combination that the table says, with its side."""
    found = []
    for line in TABLE.strip().splitlines()[1:]:
        if line:
            side, *cells = line.split()
            values = [
                COLUMNS[name] if cell == "*" else cell.split("|")
                for name, cell in zip(COLUMNS, cells, strict=True)
            ]
            found += [(row, side) for row in product(*values)]
    return found


def possible() -> set[Row]:
    """Every combination there is.

    An alias evaluates its target, so operators alone can't decide; the configuration refuses it.
    """
    return {row for row in product(*COLUMNS.values()) if (row[0], row[1]) != ("alias", "operator")}


def test_the_table_has_every_combination_once() -> None:
    written = [row for row, _ in rows()]
    assert len(written) == len(set(written))
    assert set(written) == possible()


MODELS: dict[tuple[Kind, str, bool], Model] = {}


def made(kind: Kind, control: str, *, checked: bool) -> Model:
    key = (kind, control, checked)
    if key not in MODELS:
        MODELS[key] = model(site(kind, control=control, secondary=checked))
    return MODELS[key]


@pytest.mark.parametrize("kind", COLUMNS["kind"])
def test_dns_answers_as_the_table_says(kind: Kind) -> None:
    wrong = {}
    for row, expected in rows():
        if row[0] != kind:
            continue
        _, control, switch, primary, secondary = row
        checked = not secondary.startswith("unchecked")
        found = made(kind, control, checked=checked)
        situation = _situation(found, switch, primary, secondary.removeprefix("unchecked-"))
        side = Engine(found).health(situation).answer(found.failover_names[0])
        if {"PRIMARY": "A", "SECONDARY": "B"}[side] != expected:
            wrong[row] = side
    assert wrong == {}


def _situation(found: Model, switch: str, primary: str, secondary: str) -> Situation:
    lever = "names/Lever"
    states, silent = [], set()
    for side, what in (("a", primary), ("b", secondary)):
        if what == "dead":
            nodes = frozenset(found.clusters[f"site-{side}"].nodes)
            states.append((f"site-{side}", ClusterState(lost_machines=nodes)))
        if what == "silent":
            silent.add(f"site-{side}/Nobody")
    return Situation(
        tuple(states),
        alarms_without_data=frozenset(silent),
        thrown_switches=frozenset({lever} if switch == "thrown" else ()),
        last_statuses=(("names/LeverCheck", False),) if switch == "held" else (),
    )


def test_an_alias_that_is_unchecked_still_evaluates_its_target() -> None:
    """So the rows of an unchecked secondary say for an alias what those of a checked one say."""
    found = made("alias", "automatic", checked=False)
    assert found.failover_names[0].secondary.check is None
    assert found.failover_names[0].secondary.evaluates
