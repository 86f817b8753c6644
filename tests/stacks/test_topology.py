"""For all valid configurations, the templates follow the rules of the topology."""

import copy
import json
import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from denodo_ha.environment.derived.firewall import firewall
from denodo_ha.environment.derived.topology import listeners
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.loading.problem import ConfigError
from denodo_ha.environment.model.environment import Environment
from tests.drill import any_configuration
from tests.stacks.topology import rules
from tests.strategies import environments
from tests.support.assembly import synthesise
from tests.support.configurations import Data

_SYNTH = settings(
    max_examples=24,
    derandomize=True,
    # Leave out Hypothesis's phase "shrink": shrinking takes hundreds of syntheses, and the message
    # explains the failure.
    phases=(Phase.explicit, Phase.generate),
)
_LOAD = settings(_SYNTH, max_examples=60)


def _loaded(data: object, folder: str) -> Loaded:
    # Write JSON, which is valid YAML and quotes strings that look like numbers.
    file = Path(folder) / "environment.yaml"
    file.write_text(json.dumps(data, indent=1))
    return load(file)


def test_a_valid_file_keeps_the_rules_of_the_topology_and_the_policies_of_the_drill() -> None:
    """Topology rules and drill check the same assemblies, since each synthesis takes a second."""
    drilled = 0

    @_SYNTH
    @given(data=environments.environments() | environments.environments_of_two_accounts())
    def keeps_rules_and_policies(data: Data) -> None:
        nonlocal drilled
        with tempfile.TemporaryDirectory() as folder:
            loaded, out = _loaded(data, folder), Path(folder) / "out"
            rules.holds(loaded.environment, synthesise(loaded, out))
            if any_configuration.has_redundant_zones(data):
                drilled += 1
                any_configuration.assert_policies_hold(loaded.environment, out)

    keeps_rules_and_policies()
    assert drilled >= 6, "too few of the configurations have two zones for each cluster"


@_LOAD
@given(data=environments.environments(), seed=st.integers(0, 1000))
def test_no_order_of_keys_matters_and_ranges_cover_single_rules(data: Data, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = _loaded(data, folder).environment
        two = _loaded(_shuffled(data, random.Random(seed)), folder).environment  # noqa: S311 - no secret
    assert one == two
    for name, cluster in one.clusters.items():
        assert listeners(one, cluster) == listeners(two, two.clusters[name])
        assert firewall(one, name) == firewall(two, name)
    _assert_ranges_cover_single_rules(one)


def _assert_ranges_cover_single_rules(environment: Environment) -> None:
    """Assert that each peer has single ports, or one range from the lowest to the highest port."""
    for name in environment.clusters:
        for side in firewall(environment, name):
            assert side.weight <= 60
            assert {rule.peer for rule in side.rules} == {rule.peer for rule in side.port_rules}
            for rule in side.rules:
                ports = [one.first for one in side.port_rules if one.peer == rule.peer]
                assert side.rules == side.port_rules or (rule.first, rule.last) == (
                    min(ports),
                    max(ports),
                )


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, _shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return value


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@_LOAD
@given(data=environments.environments(), path=st.integers(0, 10_000), value=_ANYTHING)
def test_any_value_anywhere_is_an_error_or_a_configuration(
    data: Data, path: int, value: object
) -> None:
    """If any value replaces one value of a valid file, loading returns errors or a configuration.

    No other exception is raised.
    """
    # Copy the data, since Hypothesis may use the same values in several configurations.
    data = copy.deepcopy(data)
    positions = list(_positions(data))
    owner, key = positions[path % len(positions)]
    owner[key] = value
    with tempfile.TemporaryDirectory() as folder, suppress(ConfigError):
        _loaded(data, folder)


def _positions(value: Any) -> Any:
    """Yield the positions of all values in plain data, as container and key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from _positions(item)
