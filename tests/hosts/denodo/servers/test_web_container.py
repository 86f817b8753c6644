"""The web container with HTTP, HTTPS or both, and its applications."""

import time
from dataclasses import replace
from typing import Any

import pytest

from hosts.denodo import node_warnings
from hosts.denodo.apply import apply, check
from hosts.denodo.commands import main
from hosts.denodo.configuration.settings import HTTP_PORT, HTTPS_PORT
from hosts.denodo.errors import ImageError, RolledBackError
from hosts.denodo.readiness import earlier_rules, probes
from hosts.denodo.readiness.readiness_endpoint import Readiness
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers
from hosts.denodo.servers.web_container import Connector, connectors
from tests.hosts.denodo.home import WEB, Connectors, Home, eventually, let_time_pass
from tests.support.waiting import until

_SERVERS = ["vdp", "data-catalog", "design-studio"]
_UNTIL_RESTART_S = 400.0
"""Seconds: more than the limit for the start of an application, and less than twice this limit."""
_PATIENT = {"limits__start_seconds": 43200}
"""Seconds to start all servers: so many that only the time limits of applications are reached."""


def _home(make_home: Any, connectors_: Connectors, version: str = "8.0") -> Home:
    home: Home = make_home(version)
    home.set_connectors(connectors_)
    return home


@pytest.mark.parametrize("version", ["7.0", "8.0"])
@pytest.mark.parametrize("which", ["http", "https", "both"])
def test_the_container_listens_where_its_file_says(
    make_home: Any, which: Connectors, version: str
) -> None:
    home = _home(make_home, which, version)
    before = home.properties(WEB)
    state = home.state(servers=["vdp", "data-catalog"])
    apply(home.system, state)
    assert home.properties(WEB) == before, "a key that is commented out stays so"
    assert home.running("web")
    http = Connector(home.ports["web"], tls=False)
    https = Connector(home.ports["web_tls"], tls=True)
    expected = {"http": [http], "https": [https], "both": [http, https]}[which]
    assert connectors(home.path) == expected
    assert not Servers(home.system, state).application_failures(state.servers)

    # The container is stopped for a change and then started again.
    first = home.running("web")
    apply(home.system, home.state(servers=["vdp", "data-catalog"], jvm__vdp="-Xmx2048m"))
    again = home.running("web")
    assert first
    assert again
    assert first["pid"] != again["pid"]
    assert check(home.system, home.state(servers=state.servers, jvm__vdp="-Xmx2048m")).nothing


def test_port_0_turns_http_off_and_stays(make_home: Any) -> None:
    home = _home(make_home, "both")
    home.set(WEB, HTTP_PORT, "0")
    apply(home.system, home.state(servers=["vdp", "data-catalog"]))
    values = home.properties(WEB)
    assert (values[HTTP_PORT], values[HTTPS_PORT]) == ("0", str(home.ports["web_tls"]))
    assert connectors(home.path) == [Connector(home.ports["web_tls"], tls=True)]


def test_a_service_on_a_protocol_that_is_off_is_a_warning(make_home: Any) -> None:
    home = _home(make_home, "https")
    services = {
        "web": {"kind": "web", "port": home.ports["web"]},
        "secure": {"kind": "web", "port": home.ports["web_tls"], "tls": True},
    }
    apply(home.system, home.state(servers=["vdp", "data-catalog"], ready__services=services))
    found = list(node_warnings.warnings(home.system, Record(home.system)))
    assert len(found) == 1
    expected = (
        f"the service web is on port {home.ports['web']}, and the web container listens on "
        f"{home.ports['web_tls']} (HTTPS): write a port of the web container into "
        "services.web.node_port"
    )
    assert found[0].startswith(expected)
    readiness = Readiness(home.system, patience=60.0)
    Record(home.system).confirm_metadata("alice", "looked")
    answers = {name: readiness.of(name) for name in services}
    assert {name: answer and answer.ready for name, answer in answers.items()} == {
        "web": False,
        "secure": True,
    }


def test_another_port_is_set_where_http_is_on(home: Home) -> None:
    ports = {"ports__web": home.ports["web_tls"], "ports__web_tls": None}
    apply(home.system, home.state(servers=["vdp"], **ports))
    assert home.properties(WEB)[HTTP_PORT] == str(home.ports["web_tls"])


def test_a_container_without_any_port_is_refused_before_anything_stops(home: Home) -> None:
    apply(home.system, home.state())
    first = home.running()
    home.write(WEB, home.read(WEB).replace(f"{HTTP_PORT}=", f"#{HTTP_PORT}="))
    with pytest.raises(ImageError, match=r"sets neither com.denodo.tomcat.http.port nor"):
        apply(home.system, home.state(servers=["vdp", "data-catalog"]))
    assert home.running() == first


def test_a_container_without_an_open_port_is_stopped(home: Home) -> None:
    """The container hangs while it starts, so only its process shows that it runs."""
    apply(home.system, home.state(servers=["vdp"]))
    home.set(WEB, "java.env.DENODO_OPTS_START", "-Ddeaf")
    installed = Servers(home.system, home.state(servers=["vdp", "data-catalog"]))
    installed.regenerate()
    installed.launch(["data-catalog"])
    # The script finds the process by the record that the process writes when it starts.
    until(lambda: home.running("web") is not None)
    assert "web" in installed.running()
    home.calls()
    installed.stop()
    assert "webcontainer_shutdown.sh" in home.calls()
    assert installed.running() == []


def test_virtual_dataport_is_ready_before_the_others_start(home: Home) -> None:
    """Applications wait for Virtual DataPort even if the state lists them first, or they crash."""
    home.behave("vdp", "slow=0.5")
    apply(home.system, home.state(servers=["data-catalog", "design-studio", "vdp"]))
    calls = [call.split()[0] for call in home.calls()]
    assert calls.index("ping.sh") < calls.index("datacatalog_startup.sh")
    assert calls.count("datacatalog_startup.sh") == 1
    apply(home.system, home.state(servers=["data-catalog", "design-studio", "vdp"]))


def test_an_application_that_is_dead_after_the_start_is_restarted_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.behave("datacatalog_startup.sh", "crash-once")
    let_time_pass(monkeypatch, home.has_dead_application, seconds=_UNTIL_RESTART_S)
    apply(home.system, home.state(servers=_SERVERS, **_PATIENT))
    calls = [call.split()[0] for call in home.calls()]
    assert [call for call in calls if call.startswith("datacatalog")] == [
        "datacatalog_startup.sh",
        "datacatalog_shutdown.sh",
        "datacatalog_startup.sh",
    ]
    assert "designstudio_shutdown.sh" not in calls


def test_an_application_that_stays_dead_is_reported(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.behave("datacatalog_startup.sh", "crash")
    let_time_pass(monkeypatch, home.has_dead_application, seconds=_UNTIL_RESTART_S)
    state = home.state(servers=_SERVERS, **_PATIENT)
    reason = "data-catalog: GET /denodo-data-catalog/ on port .* returns status 404"
    with pytest.raises(RolledBackError, match=reason):
        apply(home.system, state)
    calls = [call.split()[0] for call in home.calls()]
    assert calls.count("datacatalog_startup.sh") == 2


def test_a_boot_starts_applications_of_a_container_that_runs_already(home: Home) -> None:
    """Virtual DataPort has started the container, with Virtual DataPort's applications only."""
    home.behave("vdp", "web")
    state = home.state(servers=_SERVERS)
    apply(home.system, state)
    installed = Servers(home.system, state)
    installed.stop()
    installed.launch(["vdp"])
    assert eventually(lambda: probes.listens(home.system, home.ports["web"]))
    assert installed.application_failures(_SERVERS)
    installed.start(_SERVERS, time.monotonic() + 300)
    assert not installed.application_failures(_SERVERS)
    home.calls()
    installed.start(_SERVERS, time.monotonic() + 300)
    assert not [call for call in home.calls() if "startup" in call]


def test_a_node_that_served_by_the_earlier_rule_continues_to(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier readiness rule ignored crashed applications, so such a crash fails no apply."""
    services = {"web": {"kind": "web", "port": home.ports["web"]}}
    apply(home.system, home.state(servers=_SERVERS, ready__services=services))
    record = Record(home.system)
    record.confirm_metadata("alice", "looked")
    home.behave("datacatalog_startup.sh", "crash")
    record.remember_readiness(rules="")  # the record as an earlier version of the program wrote it
    let_time_pass(monkeypatch, home.has_dead_application, seconds=_UNTIL_RESTART_S)
    changes = {"ready__services": services, "jvm__vdp": "-Xmx2048m", **_PATIENT}
    changed = home.state(servers=_SERVERS, **changes)
    apply(home.system, changed)
    assert record.readiness["rules"] == "earlier"
    assert "remains in service by the rules of an earlier version" in capsys.readouterr().out
    assert _is_ready(home)
    assert "GET /denodo-data-catalog/" in "".join(node_warnings.warnings(home.system, record))

    # The operator accepts the new rules: the node is not ready until the application answers.
    assert main([*home.arguments, "accept-readiness"]) == 0
    assert not _is_ready(home)

    record.remember_readiness(rules="earlier")
    home.behave("datacatalog_startup.sh")
    Servers(home.system, changed).start(_SERVERS, time.monotonic() + 300)
    apply(home.system, changed)
    assert record.has_current_rules, "the rules agree again"
    assert not list(node_warnings.warnings(home.system, record))


def test_a_server_that_waits_for_its_database_does_not_hide_from_the_rules(home: Home) -> None:
    """Readiness rules also apply to servers whose start waits for their database."""
    services = {"web": {"kind": "web", "port": home.ports["web"]}}
    home.behave("vdp", "web")
    apply(home.system, home.state(servers=["vdp"], ready__services=services))
    assert eventually(lambda: probes.listens(home.system, home.ports["web"]))
    record = Record(home.system)
    record.remember_readiness(rules="")
    waiting = home.state(servers=_SERVERS, ready__services=services)
    earlier_rules.settle(home.system, replace(waiting, servers=["vdp"]), record)
    assert record.readiness["rules"] == "earlier"


def _is_ready(home: Home) -> bool:
    answer = Readiness(home.system, patience=60.0).of("web")
    assert answer is not None
    return answer.ready
