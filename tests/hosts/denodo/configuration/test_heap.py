"""The heap size in a server's JVM options is set, and the other options are kept."""

import pytest

from hosts.denodo.apply import apply, check
from hosts.denodo.configuration.heap import maximum_bytes, with_heap
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
        # If the size is right in another notation, the option is kept as it is.
        ("-Xmx4g -Xms1g", "-Xmx4g -Xms1g"),
        ("-Xmx4294967296", "-Xmx4294967296"),
        ("-Xms4g -Xmx4g", "-Xms4g -Xmx4g"),
        ("-Xms8g -Xmx16g", "-Xms4096m -Xmx4096m"),
        # If several options set the maximum (`-Xmx`, `-mx`, `-XX:MaxHeapSize`), Java uses the
        # last; the edit keeps a single option.
        ("-Xmx4g -Xmx1g", "-Xmx4096m"),
        ("-Xmx4096m -mx1024m -XX:NewRatio=4", "-Xmx4096m -XX:NewRatio=4"),
        ("-mx1024m -XX:NewRatio=4", "-Xmx4096m -XX:NewRatio=4"),
        ("-Xmx8g -XX:MaxHeapSize=1g -server", "-Xmx4096m -server"),
        ("-XX:MaxHeapSize=4g", "-XX:MaxHeapSize=4g"),
        ("-mx4g", "-mx4g"),
        ("-ms8g -mx4g", "-Xms4096m -mx4g"),
        ("-XX:InitialHeapSize=8g -Xms1g -Xmx4g", "-XX:InitialHeapSize=8g -Xms1g -Xmx4g"),
        ("-XX:InitialHeapSize=8g -Xmx4g", "-Xms4096m -Xmx4g"),
        ("-Xms1g -ms8g -Xmx4g", "-Xms4096m -Xmx4g"),
        ("-mxbean -Xmx4g", "-mxbean -Xmx4g"),
        ("-Xmxnonsense", "-Xmx4096m"),
    ],
)
def test_only_the_heap_is_changed(before: str, after: str) -> None:
    assert with_heap(before, 4096) == after
    assert with_heap(after, 4096) == after


@pytest.mark.parametrize(
    ("arguments", "mib"),
    [
        (["-Xmx8g", "-mx1024m"], 1024),
        (["-mx1024m", "-Xmx8g"], 8192),
        (["-XX:MaxHeapSize=2097152k", "-cp", "x"], 2048),
        (["-Xmx1T"], 2**20),
        (["-Xmx2147483648"], 2048),
        (["-Xms1g", "-Dx=-Xmx1g"], None),
        (["-Xmxnonsense"], None),
    ],
)
def test_the_last_size_counts(arguments: list[str], mib: int | None) -> None:
    assert maximum_bytes(arguments) == (mib * 2**20 if mib else None)


def _others(options: str) -> list[str]:
    return [one for one in options.split() if not one.startswith(("-Xmx", "-mx", "-Xms"))]


def test_a_node_keeps_its_other_options(each_home: Home) -> None:
    before = each_home.properties(_VDP)[_KEY]
    assert ("-mx1024m" in before.split()) == (each_home.version == "7.0")
    state = each_home.state(jvm={}, heap_mib=1234)
    apply(each_home.system, state)
    after = each_home.properties(_VDP)[_KEY]
    assert set(after.split()) - set(before.split()) == {"-Xmx1234m"}
    assert _others(after) == _others(before)
    running = each_home.running()
    assert running
    assert maximum_bytes(running["jvm"].split()) == 1234 * 2**20, "the real heap is another one"
    assert check(each_home.system, state).nothing


def test_a_start_script_with_another_heap_is_reported(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """`regenerateFiles.sh` exits with 0 but changes nothing: the script keeps the old heap size."""
    apply(home.system, home.state(jvm={}, heap_mib=2048))
    home.behave("regenerateFiles.sh", "nothing")
    capsys.readouterr()
    state = home.state(jvm={}, heap_mib=1234)
    apply(home.system, state)
    expected = "runs with a heap of 2048 MiB, but conf/vdp/VDBConfiguration.properties sets 1234"
    assert expected in capsys.readouterr().out
    home.behave("regenerateFiles.sh")
    apply(home.system, home.state(jvm={}, heap_mib=1235))
    assert "runs with a heap" not in capsys.readouterr().out


def test_options_that_are_given_count(home: Home) -> None:
    apply(home.system, home.state(jvm={"vdp": "-Xmx99m"}, heap_mib=1234))
    assert home.properties(_VDP)[_KEY] == "-Xmx99m"
