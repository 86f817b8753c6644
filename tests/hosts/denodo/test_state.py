"""A state is read whole, or refused with everything that is wrong with it."""

import json
from typing import Any

import pytest

from hosts.denodo import schema
from hosts.denodo.errors import StateError
from hosts.denodo.settings import settings
from hosts.denodo.state import parse, schema_text
from tests.hosts.denodo.home import Home


def _problems(data: Any) -> list[str]:
    with pytest.raises(StateError) as wrong:
        parse(json.dumps(data))
    return str(wrong.value).splitlines()[1:]


def test_every_version_is_read(each_home: Home) -> None:
    state = each_home.state()
    assert state.version == each_home.version
    assert state.knows_readiness == (each_home.version != "7.0")


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
    assert _problems(data) == [
        "node: is missing; write the node's name",
        'denodo.version: "7.1" is not 7.0 or 8.0 or 9.0; write Denodo\'s version',
        (
            'host: "not a host" does not match ^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$; '
            "write the node's own name"
        ),
        'ports.vdp: "9999" is not a whole number; write the port of Virtual DataPort',
        'license_manager.tls: "yes" is not true or false; write whether it speaks TLS',
        'servers: ["vdp", "vdp"] names something twice; write the servers to start, in this order',
        "ready.services.Web: is no name; it must match ^[a-z][a-z0-9-]{0,15}$",
        (
            'ready.services.web.kind: "http" is not vdp or odbc or web or scheduler or tcp; '
            "write how to ask whether it is ready"
        ),
        "ready.services.web.port: true is not a whole number; write its port on the node",
        (
            "limits.stop_seconds: 0 is not from 1 to 43200; write seconds until running queries "
            "have ended"
        ),
        "colour: is not known here; known are "
        + ", ".join(sorted(json.loads(schema_text())["properties"])),
    ]


@pytest.mark.parametrize(
    ("version", "change", "says"),
    [
        ("7.0", {"ports__auxiliary": None}, "ports.auxiliary: is missing"),
        ("7.0", {"ports__jmx_registry": 1}, "ports.jmx_registry: 7.0 has no such port"),
        ("7.0", {"servers": ["design-studio"]}, "servers: 7.0 has no design-studio"),
        ("7.0", {"metadata": {"source": "catalog"}}, "metadata.source: 7.0 cannot share"),
        (
            "7.0",
            {"tls": {"certificate": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x"}},
            "tls: needs Denodo 8.0",
        ),
        ("8.0", {"ports__auxiliary": 1}, "ports.auxiliary: only 7.0 has one"),
        ("8.0", {"ports__odbc": 9191}, "ports.odbc and ready.port: are both 9191"),
        ("9.0", {"metadata": {"source": "export"}}, "metadata.uri: is missing"),
        ("9.0", {"servers": ["scheduler"], "ports__scheduler": None}, "ports.scheduler: is miss"),
        ("9.0", {"servers": ["data-catalog"], "ports__web": None}, "ports.web: is missing"),
        ("9.0", {"jvm__vdp": "-Xmx1g\nx"}, "jvm.vdp: "),
        ("9.0", {"schema": 2}, "schema: 2 is not 1"),
        ("9.0", {"security_token": "s3cret"}, 'security_token: "s3cret" does not match'),
    ],
)
def test_what_cannot_be(make_home: Any, version: str, change: dict[str, Any], says: str) -> None:
    assert any(line.startswith(says) for line in _problems(make_home(version).data(**change)))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_what_is_no_state_at_all(text: str) -> None:
    with pytest.raises(StateError):
        parse(text)


def test_the_schema_describes_all_that_it_has() -> None:
    """Messages end with these descriptions."""
    whole = json.loads(schema_text())

    def check(one: dict[str, Any]) -> None:
        assert "description" in one, one
        for inner in (*one.get("properties", {}).values(), *_inner(one)):
            check(inner)

    check(whole)
    assert schema.problems({}, whole)[0] == (
        "schema: is missing; write the version of this form, 1"
    )


def _inner(one: dict[str, Any]) -> list[dict[str, Any]]:
    others = [one.get("items"), one.get("additionalProperties")]
    return [inner for inner in others if isinstance(inner, dict)]


def test_https_is_switched_on_by_tls_only(home: Home) -> None:
    plain = {entry.keys[0]: entry for entry in settings(home.state(ports__web_tls=9443))}
    assert plain["com.denodo.tomcat.https.port"].only_if_there
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls"
    state = home.state(ports__web_tls=9443, tls={"certificate": arn})
    secured = {entry.keys[0]: entry for entry in settings(state)}
    assert not secured["com.denodo.tomcat.https.port"].only_if_there


def test_the_web_container_s_other_ports(home: Home) -> None:
    state = home.state(ports__web_shutdown=1, ports__web_jmx=2, ports__web_jmx_rmi=3)
    found = {entry.keys[0]: entry.value for entry in settings(state)}
    assert found["com.denodo.tomcat.shutdown.port"] == "1"
    assert found["com.denodo.tomcat.jmx.port"] == "2"
    assert found["com.denodo.tomcat.jmx.rmi.port"] == "3"
