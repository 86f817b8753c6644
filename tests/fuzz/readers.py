"""Readers of foreign texts, each with the documented errors that the reader may raise."""

import io
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from denodo_ha.aws import cloud_assembly
from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.aws.template_document import parse_template
from denodo_ha.catalog.exports import parse_manifest
from denodo_ha.cli.errors import CommandError
from denodo_ha.deployed.history.history_entry import parse_entry
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.stack import resources_of
from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.environment import names
from denodo_ha.environment.loading.bounded_document import DocumentError, parse_json_answer
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from denodo_ha.environment.model.pins import Pin
from denodo_ha.review.cost.offer_file import OfferFileError, read_offer
from denodo_ha.review.cost.price_list import read_prices
from denodo_ha.rollout import pins_file
from denodo_ha.status.haproxy_query import parse_answer
from denodo_ha.verify import jrmp
from denodo_ha.verify.connection import Connection
from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import Fault, StepLog
from denodo_ha.verify.java_stream import IncompleteError, MalformedError
from denodo_ha.verify.java_stream import Reader as JavaReader
from denodo_ha.verify.postgres_probe import probe_odbc
from denodo_ha.verify.web_probe import WebRequest, parse_response
from hosts.common import journal
from hosts.common.certificate import CertificateError, read_certificate
from hosts.common.errors import HostError
from hosts.denodo import state_reader
from hosts.denodo.configuration import hosts_file, properties_file
from hosts.denodo.metadata import learned_settings, site_digest
from hosts.denodo.metadata.postgres_session import Server as DatabaseServer
from hosts.denodo.metadata.postgres_session import Session
from hosts.denodo.readiness.http_messages import Request, Response
from hosts.denodo.record import Record
from hosts.denodo.system import System
from hosts.haproxy import next_states, reloading, server_state_file, servers
from hosts.haproxy.desired_state import DesiredState
from hosts.haproxy.runtime_api import LocalHaproxy
from tests.support.assembly import EXAMPLES

_SECONDS = 60.0
_SHORT = len("false")
"""Maximum length of a value that counts as a flag, such as "false". Longer values of a setting for
a password may be passwords, and must not be shown."""


@dataclass(frozen=True)
class Reader:
    """A reader.

    Args:
        read: reads an input. Gets an empty folder, for readers that need files.
        errors: the documented errors; `read` may raise no other error.
        calls: number of function calls that reading a small input may take; unlike a time, the
            number is the same on every machine.
    """

    read: Callable[[bytes, Path], object]
    errors: tuple[type[Exception], ...]
    calls: int = 3_000_000


def _configuration(data: bytes, folder: Path) -> object:
    file = folder / "fuzzed.yaml"
    file.write_bytes(data)
    return load(file)


def _pins(data: bytes, folder: Path) -> object:
    (example,) = (file for file in EXAMPLES if file.stem == "active-passive")
    file = folder / "fuzzed.yaml"
    file.write_bytes(example.read_bytes())
    (folder / "fuzzed.pins.yaml").write_bytes(data)
    return load(file)


def _drill(data: bytes, folder: Path) -> object:
    file = folder / ("fuzzed.json" if data.lstrip().startswith(b"{") else "fuzzed.yaml")
    file.write_bytes(data)
    return drill_paths([file])


def _assembly(data: bytes, folder: Path) -> object:
    (folder / "manifest.json").write_bytes(data)
    (folder / "one.json").write_bytes(data)
    return cloud_assembly.read_templates(folder)


def _deployed_template(data: bytes, _folder: Path) -> object:
    return resources_of(parse_template(data.decode(errors="replace")))


def _price_list(data: bytes, _folder: Path) -> object:
    return read_offer(io.BytesIO(data))


def _prices(data: bytes, folder: Path) -> object:
    file = folder / "prices.json"
    file.write_bytes(data)
    return read_prices(file)


def _pins_file(data: bytes, folder: Path) -> object:
    file = folder / "fuzzed.pins.yaml"
    file.write_bytes(data)
    pin = Pin(type="m5.large", image="ami-0123456789abcdef0", disk_gib=100)
    text = pins_file.changed(pins_file.read(file), {"main": {"node1": pin}})
    assert pins_file.changed(text, {"main": {"node1": pin}}).split() == text.split()
    return text


def _json_answer(data: bytes, _folder: Path) -> object:
    return parse_json_answer(data)


def _haproxy_report(data: bytes, _folder: Path) -> object:
    return parse_answer("i-1", CommandResult(0, "Success", data.decode(errors="replace"), ""))


def _export_manifest(data: bytes, _folder: Path) -> object:
    return parse_manifest("node1", data, datetime.now(UTC))


def _metadata_vql(data: bytes, _folder: Path) -> object:
    found = [*site_digest.statements(data, ("*/VIEW x*",))]
    assert site_digest.differences(found, found) == {}
    assert site_digest.differences(found, found[::-1]) == {}
    digest = site_digest.site_digest(data, ("*/VIEW x*",))
    assert bool(digest) is bool(found)
    return len(found), site_digest.installed_update(data)


def _history_entry(data: bytes, _folder: Path) -> object:
    return parse_entry(data).as_json()


def _drain_tag(data: bytes, _folder: Path) -> object:
    return str(DrainTag.from_tags({names.DRAINED_TAG: data.decode(errors="replace")}))


def _node_state(data: bytes, _folder: Path) -> object:
    return state_reader.parse(data.decode(errors="replace"))


def _node_record(data: bytes, folder: Path) -> object:
    for name in ("applied", "drained", "metadata", "logins", "exported", "signal"):
        (folder / f"{name}.json").write_bytes(data)
    record = Record(System(folder=folder, machine=folder / "machine"))
    return (
        *(record.applied, record.change, record.drained, record.metadata_confirmed),
        *(record.logins, record.exported, record.was_signalled, record.contents()),
    )


def _properties(data: bytes, _folder: Path) -> object:
    text = data.decode("latin-1")
    changed = properties_file.edited(text, {"a.key": "a = value", "com.denodo.heap": "-Xmx4g"})
    assert properties_file.values(changed)["a.key"] == "a = value"
    return changed


def _hosts(data: bytes, folder: Path) -> object:
    file = folder / "hosts"
    file.write_bytes(data)
    system = System(hosts=file, address="10.0.0.1")
    before = hosts_file.names_in_file(system)
    changed = hosts_file.with_names(system, ["node1", "rmi"])
    if changed is not None:
        file.write_bytes(changed.encode("latin-1"))
        assert hosts_file.names_in_file(system) == ["node1", "rmi"]
        assert hosts_file.with_names(system, ["node1", "rmi"]) is None
    return before


def _certificate(data: bytes, _folder: Path) -> object:
    return read_certificate(data)


def _http_request(data: bytes, _folder: Path) -> object:
    request = Request(data)
    if request.target is not None:
        request.answer(Response(200, {"target": request.target}))
        assert request.output
    return request


def _haproxy_servers(data: bytes, _folder: Path) -> object:
    return servers.parse_states(data.decode(errors="replace"))


def _haproxy_statistics(data: bytes, _folder: Path) -> object:
    return servers.parse_statistics(data.decode(errors="replace"))


def _haproxy_state_file(data: bytes, folder: Path) -> object:
    file = folder / "servers"
    file.write_bytes(data)
    haproxy = LocalHaproxy(state=file)
    rows = server_state_file.saved_rows(haproxy)
    content = next_states.merged(rows, rows, lambda _id: False).content
    assert len(servers.parse_states(content.decode())) == len(rows)
    return server_state_file.admin_states(haproxy)


def _haproxy_cfg(data: bytes, folder: Path) -> None:
    """Check an input as `haproxy reload` checks a new configuration file.

    No HAProxy runs, so each reload fails after the check.
    """
    (folder / "haproxy.cfg").write_bytes(b"global\n")
    (folder / "new.cfg").write_bytes(data)
    haproxy = LocalHaproxy(
        run=folder, state=folder / "servers", config=folder / "haproxy.cfg", program="/bin/true"
    )
    reloading.reload_locked(haproxy, folder / "new.cfg", lambda _message: None)


def _haproxy_desired_state(data: bytes, _folder: Path) -> object:
    return DesiredState.parse(data.decode(errors="replace"))


def _java_stream(data: bytes, _folder: Path) -> object:
    reader = JavaReader(data)
    while True:
        reader.content()
        assert reader.position <= len(data)


def _registry(data: bytes, _folder: Path) -> None:
    def talk(connection: Connection) -> None:
        jrmp.handshake(connection)
        for name in jrmp.list_names(connection)[1]:
            jrmp.lookup(connection, name)

    _talk(data, talk)


def _postgres(data: bytes, _folder: Path) -> None:
    def talk(connection: Connection) -> None:
        class Fixed(Endpoint):
            def connect(self) -> Connection:
                return connection

        probe_odbc(StepLog("odbc"), Fixed("server", 1, "server", _SECONDS, Trust()))

    _talk(data, talk)


def _postgres_session(data: bytes, _folder: Path) -> object:
    own, other = socket.socketpair()
    with own, other:
        # Send the whole input before the session reads it: the input fits into the socket's buffer.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(data) * 4 + 65_536)
        other.settimeout(0)
        other.send(data)
        other.shutdown(socket.SHUT_WR)
        server = DatabaseServer("server", 1, "database", "user", "password", "")
        return Session(own, server, time.monotonic() + _SECONDS).query("SELECT 1")


def _learned_settings(data: bytes, _folder: Path) -> object:
    text = data.decode("latin-1")
    learned = learned_settings.learn("data-catalog", "8.0", "file", text)
    shown = [value for value in learned.entries.values() if value and "{" not in value]
    if learned.configured:
        for key, value in properties_file.values(text).items():
            if key.lower().endswith("password") and len(value.strip()) > _SHORT:
                assert not any(value.strip() in each for each in shown)
    return learned


def _web(data: bytes, _folder: Path) -> object:
    return parse_response("server:1", data, WebRequest(sticky="source", nodes=["node1"]))


def _talk(data: bytes, talk: Callable[[Connection], None]) -> None:
    """Call `talk` with a connection to a server that sends the input and then no more."""
    own, other = socket.socketpair()

    def serve() -> None:
        with suppress(OSError):
            other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    server = threading.Thread(target=serve)
    server.start()
    try:
        with Connection(own, "server:1", _SECONDS) as connection:
            talk(connection)
    finally:
        own.close()
        server.join()
        other.close()


def _journal_entry(data: bytes, _folder: Path) -> object:
    return journal.read_entry(data.decode(errors="replace"))


READERS: Mapping[str, Reader] = {
    "assembly": Reader(_assembly, (CommandError,)),
    "certificate": Reader(_certificate, (CertificateError,)),
    "configuration": Reader(_configuration, (ConfigError,)),
    "deployed-template": Reader(_deployed_template, (CommandError,)),
    "drain-tag": Reader(_drain_tag, ()),
    "drill": Reader(_drill, (CommandError,)),
    "export-manifest": Reader(_export_manifest, ()),
    "haproxy-cfg": Reader(_haproxy_cfg, (HostError,)),
    "haproxy-desired-state": Reader(_haproxy_desired_state, (HostError,)),
    "haproxy-report": Reader(_haproxy_report, ()),
    "haproxy-servers": Reader(_haproxy_servers, (HostError,)),
    "haproxy-state-file": Reader(_haproxy_state_file, (HostError,)),
    "haproxy-statistics": Reader(_haproxy_statistics, (HostError,)),
    "history-entry": Reader(_history_entry, (ValueError,)),
    "hosts": Reader(_hosts, (HostError,)),
    "http-request": Reader(_http_request, ()),
    "journal-entry": Reader(_journal_entry, ()),
    "java-stream": Reader(_java_stream, (MalformedError, IncompleteError)),
    "json-answer": Reader(_json_answer, (DocumentError,)),
    "learned-settings": Reader(_learned_settings, ()),
    "metadata-vql": Reader(_metadata_vql, ()),
    "node-record": Reader(_node_record, ()),
    "node-state": Reader(_node_state, (HostError,)),
    "pins": Reader(_pins, (ConfigError,)),
    "pins-file": Reader(_pins_file, (CommandError,)),
    "postgres": Reader(_postgres, (Fault,)),
    "postgres-session": Reader(_postgres_session, (HostError, OSError)),
    "price-list": Reader(_price_list, (OfferFileError,)),
    "prices": Reader(_prices, (CommandError,)),
    "properties": Reader(_properties, (properties_file.FormatError,)),
    "registry": Reader(_registry, (Fault,)),
    "web": Reader(_web, (Fault,)),
}
"""The readers by the names of their folders in the corpus."""
