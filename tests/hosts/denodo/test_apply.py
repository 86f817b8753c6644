"""An apply makes each change once. If a change fails, the previous state is restored."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hosts.common.errors import HostError
from hosts.denodo.apply import apply, check
from hosts.denodo.configuration.change_journal import Journal
from hosts.denodo.configuration.hosts_file import node_names
from hosts.denodo.errors import (
    BusyError,
    DownError,
    ImageError,
    NotStoppedError,
    RolledBackError,
)
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers
from hosts.denodo.system import System
from tests.hosts.denodo.home import (
    FILES,
    LICENSE,
    MANAGER,
    SCHEDULER,
    VDP,
    WEB,
    Home,
    eventually,
    let_time_pass,
)
from tests.support.servers.ports import free_ports

ALL_SERVERS = ["vdp", "data-catalog", "scheduler"]


def test_every_file_says_what_the_state_says(each_home: Home) -> None:
    ports = dict(zip(each_home.ports, free_ports(len(each_home.ports)), strict=True))
    ports["scheduler"] = each_home.ports["scheduler"]
    old = each_home.version == "7.0"
    unused = ("jmx_registry", "jmx_factory") if old else ("auxiliary",)
    before = each_home.contents()
    state = each_home.state(
        ports={**ports, **dict.fromkeys(unused)}, servers=ALL_SERVERS, license_manager__tls=True
    )
    apply(each_home.system, state)

    vdp = each_home.properties(VDP)
    assert vdp[f"{MANAGER}.registryURL"] == state.rmi_host
    assert vdp[f"{MANAGER}.odbcPort"] == str(ports["odbc"])
    assert vdp[f"{MANAGER}.shutdownPort"] == str(ports["shutdown"])
    if old:
        assert vdp[f"{MANAGER}.registryPort"] == str(ports["vdp"])
        assert vdp[f"{MANAGER}.factoryPort"] == str(ports["auxiliary"])
        assert f"{MANAGER}.port" not in vdp
    else:
        assert vdp[f"{MANAGER}.port"] == str(ports["vdp"])
        assert vdp[f"{MANAGER}.registryPort"] == str(ports["jmx_registry"])
        assert vdp[f"{MANAGER}.factoryPort"] == str(ports["jmx_factory"])
    assert vdp["java.env.DENODO_OPTS_START"] == state.jvm["vdp"]
    assert vdp["com.denodo.vdb.some.unknown.key"] == "café on two lines"
    assert each_home.properties(WEB)["com.denodo.tomcat.http.port"] == str(ports["web"])
    assert "com.denodo.tomcat.https.port" not in each_home.properties(WEB)
    licence = each_home.properties(LICENSE)
    assert licence["com.denodo.license.host"] == "sm.example.com"
    assert licence["com.denodo.license.port"] == "10091"
    assert licence["com.denodo.license.security.ssl.enabled"] == "true"
    scheduler = each_home.properties(SCHEDULER)
    assert scheduler["Launcher/registryURL"] == state.host
    assert not any(key.startswith("Server/") for key in scheduler)

    for server in ("vdp", "web", "scheduler"):
        assert each_home.running(server)
    pings = [call for call in each_home.calls() if call.startswith("ping.sh")]
    assert pings
    assert any("-r" in ping for ping in pings) != old
    running = each_home.running()
    assert running
    assert (running["port"], running["rmi"]) == (ports["vdp"], state.rmi_host)
    for file in FILES:
        kept = set(before[file].splitlines()) - set(
            (each_home.path / file).read_bytes().splitlines()
        )
        assert all(b"=" in line for line in kept), "only entries may differ"


def test_the_scheduler_directs_clients_to_its_own_port_of_the_balancer(each_home: Home) -> None:
    """If a state has no keys for the load balancer, the apply restores Denodo's defaults."""
    balancer = "balancer.example.com"
    second = {**each_home.data()["ports"], "scheduler_auxiliary": 17998}
    state = each_home.state(servers=["scheduler"], ports=second, scheduler_rmi_host=balancer)
    assert node_names(state) == list(dict.fromkeys([state.host, state.rmi_host, balancer]))
    apply(each_home.system, state)
    scheduler = each_home.properties(SCHEDULER)
    assert scheduler["Launcher/registryURL"] == balancer
    assert scheduler["Launcher/factoryPort"] == "17998"
    assert scheduler["Launcher/registryPort"] == str(each_home.ports["scheduler"])
    assert check(each_home.system, state).nothing

    without = each_home.state(servers=["scheduler"])
    apply(each_home.system, without)
    scheduler = each_home.properties(SCHEDULER)
    assert scheduler["Launcher/registryURL"] == without.host
    assert scheduler["Launcher/factoryPort"] == "7998"
    assert check(each_home.system, without).nothing


def test_the_scheduler_s_second_port_of_the_image_remains(home: Home) -> None:
    home.set(SCHEDULER, "Launcher/factoryPort", "7777")
    apply(home.system, home.state(servers=["scheduler"]))
    assert home.properties(SCHEDULER)["Launcher/factoryPort"] == "7777"


def test_the_same_state_again_does_nothing(each_home: Home) -> None:
    state = each_home.state(servers=ALL_SERVERS)
    apply(each_home.system, state)
    first = each_home.running()
    contents = each_home.contents()
    each_home.calls()
    apply(each_home.system, state)
    assert check(each_home.system, state).nothing
    assert {call.split()[0] for call in each_home.calls()} == {"ping.sh"}
    assert each_home.running() == first
    assert each_home.contents() == contents


def test_what_no_server_reads_restarts_none(home: Home) -> None:
    apply(home.system, home.state())
    home.calls()
    state = home.state(limits__start_seconds=6, ready__services={})
    apply(home.system, state)
    assert {call.split()[0] for call in home.calls()} == {"ping.sh"}
    assert check(home.system, state).nothing


def test_a_change_is_made_in_its_order(home: Home) -> None:
    apply(home.system, home.state())
    home.calls()
    apply(home.system, home.state(jvm__vdp="-Xmx2048m"))
    scripts = [call.split()[0] for call in home.calls()]
    order = [
        "vqlserver_shutdown.sh",
        "regenerateFiles.sh",
        "vqlserver_startup.sh",
        "ping.sh",
    ]
    assert list(dict.fromkeys(scripts)) == order


def test_check_says_what_would_change_and_changes_nothing(home: Home) -> None:
    contents = home.contents()
    todo = check(home.system, home.state())
    assert not todo.nothing
    assert f"{MANAGER}.registryURL: localhost becomes node1.active.denodo.internal" in str(todo)
    assert home.contents() == contents
    assert home.calls() == []


def test_drift_is_put_right(home: Home) -> None:
    state = home.state()
    apply(home.system, state)
    text = (home.path / VDP).read_text("latin-1")
    home.write(
        VDP, text.replace(f"{MANAGER}.odbcPort={home.ports['odbc']}", f"{MANAGER}.odbcPort=1")
    )
    apply(home.system, state)
    assert home.properties(VDP)[f"{MANAGER}.odbcPort"] == str(home.ports["odbc"])


def test_what_denodo_writes_at_its_shutdown_is_kept(home: Home) -> None:
    apply(home.system, home.state())
    home.behave("vqlserver_shutdown.sh", "rewrites")
    apply(home.system, home.state(jvm__vdp="-Xmx2048m"))
    assert home.properties(VDP)["written.at.shutdown"] == "yes"


def test_owner_and_mode_are_kept(home: Home) -> None:
    file = home.path / VDP
    file.chmod(0o640)
    before = file.stat()
    apply(home.system, home.state())
    after = file.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_a_server_that_ends_is_rolled_back_at_once(home: Home) -> None:
    _rolls_back(home, {"jvm__vdp": "-Ddead"}, "ended while it was starting")


def test_a_server_that_never_listens_is_killed_and_rolled_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_time_pass(monkeypatch, lambda: "-Ddeaf" in str(home.running()))
    _rolls_back(home, {"jvm__vdp": "-Ddeaf"}, "not ready after 300 s")


def test_a_server_that_is_never_ready_is_rolled_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unready() -> bool:
        return "-Dunready" in str(home.running()) and home.last_call.startswith("ping.sh")

    let_time_pass(monkeypatch, unready)
    _rolls_back(home, {"jvm__vdp": "-Dunready"}, "the server is not ready")


def test_the_previous_state_is_waited_for_with_its_own_time_limit(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undo must not use the limit of the state that failed, which may be too short."""
    apply(home.system, home.state(limits__start_seconds=300))
    limits: list[float] = []
    start = Servers.start

    def record(servers: Servers, names: Sequence[str], deadline: float) -> None:
        limits.append(deadline - time.monotonic())
        start(servers, names, deadline)

    monkeypatch.setattr(Servers, "start", record)
    with pytest.raises(RolledBackError, match="the previous state runs again"):
        apply(home.system, home.state(jvm__vdp="-Ddead", limits__start_seconds=30))
    assert [round(limit, -1) for limit in limits] == [30, 300]


def _rolls_back(home: Home, changes: dict[str, Any], reason: str) -> None:
    state = home.state()
    apply(home.system, state)
    contents, first = home.contents(), home.running()
    assert first
    with pytest.raises(RolledBackError, match=reason):
        apply(home.system, home.state(**changes))
    assert home.contents() == contents
    now = home.running()
    assert now
    assert {**now, "pid": 0} == {**first, "pid": 0}
    assert reason in str(Record(home.system).contents()["failed"])
    assert check(home.system, state).nothing


def test_a_request_that_arrives_twice_is_not_tried_twice(home: Home) -> None:
    """The first request's change was undone, but its answer was lost, so it arrives again."""
    apply(home.system, home.state())
    failing = home.state(jvm__vdp="-Ddead")
    with pytest.raises(RolledBackError, match="ended while it was starting"):
        apply(home.system, failing, request="3f2a")
    home.calls()
    with pytest.raises(RolledBackError, match=r"not tried again(.|\n)*ended while it was starting"):
        apply(home.system, failing, request="3f2a")
    assert not home.calls()
    with pytest.raises(RolledBackError, match="ended while it was starting"):
        apply(home.system, failing, request="another")
    assert home.calls()
    # A new state is another change, even with the same request id.
    apply(home.system, home.state(jvm__vdp="-Xmx2048m"), request="another")


def test_the_first_state_that_fails_leaves_the_image_as_it_was(home: Home) -> None:
    contents = home.contents()
    with pytest.raises(RolledBackError, match="no server runs now"):
        apply(home.system, home.state(jvm__vdp="-Ddead"))
    assert home.contents() == contents
    assert home.running() is None


def test_a_state_before_that_does_not_come_up_either(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(home.system, home.state())
    home.behave("vqlserver_startup.sh", "fail")
    contents = home.contents()
    with monkeypatch.context() as patch:
        let_time_pass(patch, lambda: home.last_call == "vqlserver_startup.sh")
        with pytest.raises(DownError, match="fails on request"):
            apply(home.system, home.state(jvm__vdp="-Xmx2048m"))
    assert home.contents() == contents
    home.behave("vqlserver_startup.sh")
    apply(home.system, home.state())
    assert home.running()


@pytest.mark.parametrize(
    ("script", "how", "reason"),
    [
        ("regenerateFiles.sh", "fail", "regenerateFiles.sh ended with status 1: "),
        ("vqlserver_startup.sh", "fail", "the start script ended with status 0: vqlserver_st"),
        ("vqlserver_startup.sh", "hang", "vqlserver_startup.sh did not end within 1 s"),
        ("ping.sh", "promotion", "the server is not ready"),
    ],
)
def test_a_script_that_fails_at_first_boot(
    home: Home, monkeypatch: pytest.MonkeyPatch, script: str, how: str, reason: str
) -> None:
    home.behave(script, how)
    contents = home.contents()
    let_time_pass(monkeypatch, lambda: home.last_call.split()[:1] == [script])
    with pytest.raises(HostError, match=reason):
        apply(home.system, home.state(limits__start_seconds=1 if how == "hang" else 300))
    assert home.contents() == contents


def test_a_server_that_starts_slowly_is_waited_for(home: Home) -> None:
    home.behave("vdp", "slow=0.5")
    apply(home.system, home.state())
    assert home.running()


def test_queries_that_do_not_end_are_cut_off_at_the_limit(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(home.system, home.state())
    home.behave("vqlserver_shutdown.sh", "queries")
    home.calls()
    let_time_pass(monkeypatch, lambda: home.last_call == "vqlserver_shutdown.sh safe")
    apply(home.system, home.state(jvm__vdp="-Xmx2048m"))
    assert [call for call in home.calls() if call.startswith("vqlserver_shutdown")] == [
        "vqlserver_shutdown.sh safe",
        "vqlserver_shutdown.sh",
    ]


def test_a_server_that_does_not_stop_is_left_as_it_is(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(home.system, home.state(servers=ALL_SERVERS))
    contents, first = home.contents(), home.running()
    home.behave("vqlserver_shutdown.sh", "deaf")
    with monkeypatch.context() as patch:
        let_time_pass(patch, lambda: home.last_call.startswith("vqlserver_shutdown.sh"))
        with pytest.raises(NotStoppedError, match="vdp still listens"):
            apply(home.system, home.state(jvm__vdp="-Xmx2048m"))
    assert home.contents() == contents
    assert home.running() == first
    assert eventually(lambda: home.running("web") is not None), "what did stop is started again"
    home.behave("vqlserver_shutdown.sh")
    apply(home.system, home.state(jvm__vdp="-Xmx2048m"))


def test_a_missing_script_is_found_before_anything_stops(home: Home) -> None:
    apply(home.system, home.state())
    first = home.running()
    (home.path / "bin/regenerateFiles.sh").unlink()
    (home.path / "bin/datacatalog_startup.sh").unlink()
    with pytest.raises(ImageError, match=r"lacks datacatalog_startup.sh, regenerateFiles.sh"):
        apply(home.system, home.state(servers=ALL_SERVERS))
    assert home.running() == first


def test_a_configured_java_that_is_missing_is_found_before_anything_stops(home: Home) -> None:
    apply(home.system, home.state())
    first = home.running()
    (home.path / "jre/bin/java").unlink()
    (home.path / "bin/datacatalog_startup.sh").unlink()
    state = home.state(servers=ALL_SERVERS, denodo__java_home="/nowhere")
    with pytest.raises(ImageError) as refused:
        apply(home.system, state)
    scripts, java = str(refused.value).splitlines()
    assert "lacks datacatalog_startup.sh" in scripts
    assert "nor /nowhere/bin/java exists" in java
    assert home.running() == first


class _KilledError(BaseException):
    """Ends a run as a signal would: no error handling of the program sees it."""


def _kill(*_: object) -> None:
    raise _KilledError


def _interrupt(home: Home, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(where, name, _kill)
        with pytest.raises(_KilledError):
            apply(home.system, home.state(jvm__vdp="-Xmx2g"))


def test_a_refusal_after_an_interrupted_change_leaves_the_servers_running(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused apply starts the servers that it stopped to undo an interrupted change."""
    apply(home.system, home.state())
    first = home.running()
    assert first is not None
    _interrupt(home, monkeypatch, Servers, "start")
    assert home.running() is None
    (home.path / "bin/datacatalog_startup.sh").unlink()
    with pytest.raises(ImageError, match="lacks datacatalog_startup"):
        apply(home.system, home.state(servers=ALL_SERVERS))
    assert eventually(lambda: home.running() is not None)
    assert (home.running() or {})["jvm"] == first["jvm"]


def test_a_failure_after_an_interrupted_change_starts_the_previous_state(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(home.system, home.state())
    first = home.running()
    assert first is not None
    _interrupt(home, monkeypatch, Servers, "regenerate")
    with pytest.raises(RolledBackError, match="the previous state runs again"):
        apply(home.system, home.state(jvm__vdp="-Ddead"))
    assert (home.running() or {})["jvm"] == first["jvm"]


def test_a_change_that_was_complete_when_it_was_interrupted_is_kept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(home.system, home.state())
    _interrupt(home, monkeypatch, Journal, "end")
    changed = home.running()
    home.calls()
    apply(home.system, home.state(jvm__vdp="-Xmx2g"))
    assert home.running() == changed
    assert not [call for call in home.calls() if not call.startswith("ping.sh")]
    assert not list(home.path.rglob("*.before-denodo-node"))


def test_a_standalone_licence_is_left_with_a_warning(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write("conf/denodo.lic", "licence")
    apply(home.system, home.state())
    assert "denodo.lic exists, so the servers use this licence file instead of the License" in (
        capsys.readouterr().out
    )
    assert home.read("conf/denodo.lic") == "licence"


def test_a_missing_file_is_named(home: Home) -> None:
    (home.path / LICENSE).unlink()
    with pytest.raises(ImageError, match=r"SolutionManager.properties cannot be read"):
        apply(home.system, home.state())


def test_a_file_that_java_refuses_is_named(home: Home) -> None:
    home.write(LICENSE, "a=\\u12\n")
    with pytest.raises(ImageError, match=r"SolutionManager.properties: line 1: "):
        apply(home.system, home.state())


_WITH_SMALL_FILES = """
import resource, sys
from hosts.denodo.commands import main
resource.setrlimit(resource.RLIMIT_FSIZE, (%d, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""


# The size limit determines which write fails: the journal, the backup, or the edited file.
@pytest.mark.parametrize("size", [40, 400, 1200])
def test_a_full_disk_changes_nothing(home: Home, size: int) -> None:
    home.write(VDP, (home.path / VDP).read_text("latin-1") + "# more\n" * 50)
    apply(home.system, home.state())
    contents = home.contents()
    state = home.folder / "state.json"
    long = "-Xmx2048m " + "-Dlong=1 " * 150
    state.write_text(json.dumps(home.data(jvm__vdp=long)))
    done = subprocess.run(
        [
            *(sys.executable, "-c", _WITH_SMALL_FILES % size),
            *home.arguments,
            *("apply", f"--state={state}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (6, 12), done
    assert "File too large" in done.stdout
    assert home.contents() == contents
    assert home.running()


def test_two_runs_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    starts, refused, start = threading.Event(), threading.Event(), Servers.start

    def held(servers: Servers, names: Sequence[str], deadline: float) -> None:
        starts.set()
        assert refused.wait(120)
        start(servers, names, deadline)

    monkeypatch.setattr(Servers, "start", held)
    first = threading.Thread(target=apply, args=(home.system, home.state()))
    first.start()
    try:
        assert starts.wait(120)
        with pytest.raises(
            BusyError, match=rf"another run .* is active on the node \(process {os.getpid()}, since"
        ):
            apply(home.system, home.state())
    finally:
        refused.set()
        first.join()
    apply(home.system, home.state())


def test_a_wrong_clock_changes_no_wait_and_no_result(home: Home) -> None:
    def off_by(days: int) -> System:
        return replace(home.system, now=lambda: datetime.now(UTC) + timedelta(days=days))

    apply(off_by(400), home.state())
    apply(off_by(-400), home.state(jvm__vdp="-Xmx2048m"))
    assert check(home.system, home.state(jvm__vdp="-Xmx2048m")).nothing


def test_every_rename_is_of_a_durable_file_and_made_durable(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor: int) -> None:
        done.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def note_rename(name: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        folder = Path(f"/proc/self/fd/{dst_dir_fd}").readlink()
        assert done[-1] == ("fsync", str(folder / name))
        done.append(("rename", str(folder / target)))
        rename(name, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    apply(home.system, home.state())
    renames = [number for number, (what, _) in enumerate(done) if what == "rename"]
    assert len(renames) >= 6
    for number in renames:
        folder = str(Path(done[number][1]).parent)
        assert done[number + 1] == ("fsync", folder)
    backup = f"{home.path / VDP}.before-denodo-node"
    targets = [path for what, path in done if what == "rename"]
    assert targets.index(backup) < targets.index(str(home.path / VDP))


@pytest.mark.parametrize("record", ["drained", "metadata", "exported"])
def test_the_next_apply_removes_what_a_killed_drain_has_left(home: Home, record: str) -> None:
    """Drain, confirmation and export write records without an apply's lock, and may be killed."""
    apply(home.system, home.state())
    left = home.system.folder / f".{record}.json.denodo-node"
    left.write_text("half of a rec")
    apply(home.system, home.state())
    assert not left.exists()


def test_a_record_that_is_written_now_is_not_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(home.system, home.state())
    record, began, rename = Record(home.system), threading.Event(), os.rename

    def removes(name: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        """Check that no apply can remove the record's temporary file before the rename."""
        if target == "drained.json":
            began.set()
            with pytest.raises(BusyError), home.system.locked("record-lock"):
                pass
        rename(name, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", removes)
    record.drain("ann", "test")
    assert began.is_set()
    assert record.drained is not None
    assert record.drained["who"] == "ann"
