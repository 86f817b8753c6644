"""The heap among the JVM options of a server, whose other options remain."""

import pytest

from hosts.denodo.apply import apply, check
from hosts.denodo.configuration.settings import with_heap
from tests.hosts.denodo.home import Home

_KEY = "java.env.DENODO_OPTS_START"
_VDP = "conf/vdp/VDBConfiguration.properties"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "-Xmx4096m"),
        ("-XX:NewRatio=4", "-Xmx4096m -XX:NewRatio=4"),
        ("-Xmx1024m -XX:NewRatio=4", "-Xmx4096m -XX:NewRatio=4"),
        ("-server  -Xmx1g -Dx=-Xmx1g", "-server  -Xmx4096m -Dx=-Xmx1g"),
        # The same size in another notation remains.
        ("-Xmx4g -Xms1g", "-Xmx4g -Xms1g"),
        ("-Xmx4294967296", "-Xmx4294967296"),
        ("-Xms8g -Xmx16g", "-Xms4096m -Xmx4096m"),
        # Java uses the last one.
        ("-Xmx4g -Xmx1g", "-Xmx4096m -Xmx4096m"),
        ("-Xmxnonsense", "-Xmx4096m"),
    ],
)
def test_only_the_heap_is_changed(before: str, after: str) -> None:
    assert with_heap(before, 4096) == after
    assert with_heap(after, 4096) == after


def test_a_node_keeps_its_other_options(home: Home) -> None:
    before = home.properties(_VDP)[_KEY]
    assert "-Xmx" in before
    state = home.state(jvm={}, heap_mib=1234)
    apply(home.system, state)
    after = home.properties(_VDP)[_KEY]
    assert "-Xmx1234m" in after.split()
    others = [option for option in before.split() if not option.startswith(("-Xmx", "-Xms"))]
    assert [one for one in after.split() if not one.startswith(("-Xmx", "-Xms"))] == others
    assert check(home.system, state).nothing


def test_options_that_are_given_count(home: Home) -> None:
    apply(home.system, home.state(jvm={"vdp": "-Xmx99m"}, heap_mib=1234))
    assert home.properties(_VDP)[_KEY] == "-Xmx99m"
