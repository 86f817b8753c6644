"""A desired state is read completely, or refused with a list of all its problems."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from hosts.denodo.configuration.settings import settings
from hosts.denodo.errors import StateError
from hosts.denodo.state_reader import parse, read
from tests.hosts.denodo.cloud import LOGIN, TLS, TOKEN
from tests.hosts.denodo.home import Home
from tests.support.assembly import ROOT

SCHEMA = json.loads((ROOT / "hosts/denodo/state.schema.json").read_text())
WRONG: tuple[Any, ...] = (
    *(None, True, 0, 1, 1.5, -1, 61, 65536, 43201, 604801, 16777217, {}, {"x": 1}, {"Big": "x"}),
    *([], ["vdp"], ["vdp", "vdp"], ["other"], [["vdp"]], "", "x", "/x", "x y", "x\ny", "y" * 300),
)


def _problems(data: Any) -> list[str]:
    with pytest.raises(StateError) as wrong:
        parse(json.dumps(data))
    return str(wrong.value).splitlines()[1:]


def test_every_version_is_read(each_home: Home) -> None:
    state = each_home.state()
    assert state.version == each_home.version


def test_the_hash_is_of_what_it_says_and_not_of_how(home: Home) -> None:
    data = home.data()
    turned = dict(reversed(data.items()))
    assert parse(json.dumps(data)).hash == parse(json.dumps(turned, indent=3)).hash
    assert parse(json.dumps(data)).hash != home.state(node="node2").hash


@pytest.mark.parametrize(
    "change",
    [{"jvm__vdp": "-Xmx1g"}, {"ports__odbc": 1}, {"servers": ["vdp", "data-catalog"]}],
)
def test_what_needs_a_restart(home: Home, change: dict[str, Any]) -> None:
    assert home.state().restart_hash != home.state(**change).restart_hash


@pytest.mark.parametrize(
    "change",
    [
        {"ready__services": {}},
        {"limits__start_seconds": 99},
        {"program": "s3://bucket/node.tar"},
        {"signal": {"stack": "s", "resource": "R", "when": "ready"}},
        {"data_disk": {"path": "/data", "device": "/dev/sdf"}},
        {"metrics": {"namespace": "Denodo/Nodes/test"}},
        {"logs": {"group": "prod-active-Logs-X"}},
    ],
)
def test_what_needs_no_restart(home: Home, change: dict[str, Any]) -> None:
    assert home.state().restart_hash == home.state(**change).restart_hash


def test_all_errors_come_out_at_once(home: Home) -> None:
    data = home.data(
        ports__vdp="9999",
        denodo__version="7.1",
        servers=["vdp", "vdp"],
        host="not a host",
        license_manager__tls="yes",
        limits__stop_seconds=0,
        colour="blue",
    )
    del data["node"]
    data["ready"]["services"]["Web"] = {"kind": "web", "port": 1}
    data["ready"]["services"]["web"] = {"kind": "http", "port": True}
    assert sorted(_problems(data)) == [
        "colour: unknown key; known keys are " + ", ".join(sorted(SCHEMA["properties"])),
        'denodo.version: "7.1" is not 7.0 or 8.0 or 9.0',
        (
            'host: "not a host" is not a text that matches '
            "^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
        ),
        'license_manager.tls: "yes" is not true or false',
        "limits.stop_seconds: 0 is not a whole number from 1 to 43200",
        "node: is missing",
        'ports.vdp: "9999" is not a whole number from 1 to 65535',
        "ready.services.Web: the name does not match ^[a-z][a-z0-9-]{0,15}$",
        'ready.services.web.kind: "http" is not vdp or odbc or web or scheduler or tcp',
        "ready.services.web.port: true is not a whole number from 1 to 65535",
        'servers[1]: "vdp" is not allowed twice',
    ]


@pytest.mark.parametrize(
    ("version", "change", "says"),
    [
        ("7.0", {"ports__auxiliary": None}, "ports.auxiliary: is missing"),
        ("7.0", {"ports__jmx_registry": 1}, "ports.jmx_registry: Denodo 7.0 does not have"),
        ("7.0", {"servers": ["design-studio"]}, "servers: Denodo 7.0 has no design-studio"),
        ("7.0", {"metadata": {"source": "catalog"}}, "metadata.source: Denodo 7.0 cannot share"),
        (
            "7.0",
            {"tls": {"certificate": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x"}},
            "tls: needs Denodo 8.0",
        ),
        ("8.0", {"ports__auxiliary": 1}, "ports.auxiliary: only Denodo 7.0 has an"),
        ("8.0", {"ports__odbc": 9191}, "ports.odbc and ready.port: all have the port 9191"),
        ("9.0", {"metadata": {"source": "export"}}, "metadata.uri: is missing"),
        ("9.0", {"servers": ["scheduler"], "ports__scheduler": None}, "ports.scheduler: is miss"),
        ("9.0", {"servers": ["data-catalog"], "ports__web": None}, "ports.web: is missing"),
        ("9.0", {"jvm__vdp": "-Xmx1g\nx"}, "jvm.vdp: "),
        ("9.0", {"schema": 2}, "schema: 2 is not 1"),
        ("9.0", {"ports__odbc": 9996.0}, "ports.odbc: 9996.0 is not a whole number"),
        (
            "9.0",
            {"security_token": "s3cret"},
            'security_token: "s3cret" is not a text that matches',
        ),
    ],
)
def test_what_cannot_be(make_home: Any, version: str, change: dict[str, Any], says: str) -> None:
    assert any(line.startswith(says) for line in _problems(make_home(version).data(**change)))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_what_is_no_state_at_all(text: str) -> None:
    with pytest.raises(StateError):
        parse(text)


def _whole(home: Home) -> dict[str, Any]:
    """Return a state with every key of the format."""
    return home.data(
        ports={
            name: number
            for number, name in enumerate(SCHEMA["properties"]["ports"]["properties"], 1)
        },
        solution_manager={"host": "sm.example.com", "port": 10090},
        jvm={"vdp": "-Xmx1g", "web": "-Xmx1g", "scheduler": ""},
        heap_mib=1024,
        web_jmx=True,
        scheduler_rmi_host="balancer.example.com",
        denodo__java_home="/opt/java",
        watchdog=True,
        data_disk={"path": "/data", "device": "/dev/sdf"},
        metrics={"namespace": "Denodo/Nodes/denodo"},
        tls={"certificate": TLS, "version": "v1"},
        security_token=TOKEN,
        metadata={"source": "export", "uri": "s3://bucket/key", "login": LOGIN},
        catalog={
            name: {
                "secret": LOGIN,
                "check_interval": 5,
                "file": "conf/x.properties",
                "entries": {"key": "value", "other": None},
            }
            for name in ("vdp", "scheduler", "data-catalog")
        },
        logs={"group": "prod-active-Logs-X", "statements": True},
        exports={"bucket": "bucket", "prefix": "a/", "login": LOGIN, "every": 60},
        ready__services={"web": {"kind": "web", "port": 9090, "path": "/x", "tls": True}},
        ready__virtual_dataport="strict",
        ready__busy_seconds=45,
        signal={"stack": "s", "resource": "R", "when": "ready"},
        program="s3://bucket/node.zip",
    )


def _changed(data: Any) -> Iterator[Any]:
    """Yield copies of the data, each with one value replaced, removed or added."""
    if isinstance(data, dict):
        yield {**data, "colour": "blue"}
        for key, value in data.items():
            yield {name: kept for name, kept in data.items() if name != key}
            for inner in (*WRONG, *_changed(value)):
                yield {**data, key: inner}


def test_the_documented_schema_is_what_is_read(home: Home) -> None:
    """For every change of one value, schema and reader both accept or both refuse the state."""
    schema = jsonschema.Draft202012Validator(SCHEMA)
    whole = _whole(home)
    assert set(whole) == set(SCHEMA["properties"])
    assert read(whole, []).raw == whole
    count = 0
    for data in _changed(copy.deepcopy(whole)):
        problems: list[str] = []
        read(data, problems)
        assert bool(problems) != schema.is_valid(data), (problems, data)
        count += 1
    assert count > 2000


def test_https_is_switched_on_by_tls_only(home: Home) -> None:
    plain = {entry.keys[0]: entry for entry in settings(home.state(ports__web_tls=9443))}
    assert plain["com.denodo.tomcat.https.port"].only_if_set
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls"
    state = home.state(ports__web_tls=9443, tls={"certificate": arn})
    secured = {entry.keys[0]: entry for entry in settings(state)}
    assert not secured["com.denodo.tomcat.https.port"].only_if_set
    for off in ("0", ""):
        assert plain["com.denodo.tomcat.https.port"].new_value(off) == off
        assert secured["com.denodo.tomcat.https.port"].new_value(off) == "9443"


def test_keys_that_are_written_only_for_a_key_of_the_state(home: Home) -> None:
    remote = "com.denodo.tomcat.jmx.rmi.host"
    licence = "com.denodo.license.host"
    usual = {entry.keys[0] for entry in settings(home.state())}
    assert licence in usual
    assert remote not in usual
    found = {
        entry.keys[0]: entry.value
        for entry in settings(home.state(web_jmx=True, license_manager=None))
    }
    assert found[remote] == "node1.active.denodo.internal"
    assert not [key for key in found if key.startswith("com.denodo.license.")]


def test_the_web_container_s_other_ports(home: Home) -> None:
    state = home.state(ports__web_shutdown=1, ports__web_jmx=2, ports__web_jmx_rmi=3)
    found = {entry.keys[0]: entry.value for entry in settings(state)}
    assert found["com.denodo.tomcat.shutdown.port"] == "1"
    assert found["com.denodo.tomcat.jmx.port"] == "2"
    assert found["com.denodo.tomcat.jmx.rmi.port"] == "3"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "node1.internal\n"}, "host: "),
        ({"denodo__home": "/opt/denodo\n"}, "denodo.home: "),
        ({"denodo__user": "denodo\n"}, "denodo.user: "),
        ({"denodo__home": "/opt/\ud800"}, "denodo.home: "),
        ({"ready__services": {"jdbc\n": {"kind": "vdp", "port": 1}}}, "ready.services.jdbc"),
    ],
)
def test_a_final_newline_or_half_a_character_is_refused(
    home: Home, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(StateError, match=message):
        home.state(**changes)


@pytest.mark.parametrize("text", ["[" * 20000, '{"a":' * 10000, " " * 100000, "9" * 5001, "\ud800"])
def test_text_that_is_too_deep_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(StateError):
        parse(text)
