"""`denodo-ha haproxy`, and HAProxy's host program without denodo-ha, as on a HAProxy host."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.environment.haproxy.config_file import render_config
from hosts.haproxy import commands, errors
from hosts.haproxy.server_state_file import saved_rows
from tests.hosts.haproxy.running import BALANCER, Running, configuration, running
from tests.hosts.haproxy.stand_ins import Site
from tests.support.assembly import ROOT
from tests.support.configurations import Data, changed, minimal, twins, write
from tests.support.host_program import unpacked
from tests.support.servers.haproxy_program import PROGRAM

SECURE = {
    f"{BALANCER}/haproxy/tls": {"mode": "reencrypt"},
    "services/web": {"port": 9443, "sticky": True},
}


def _ran(*arguments: str | Path) -> Result:
    """Run a command; return its exit code and output."""
    return CliRunner().invoke(build_program(COMMANDS), ["haproxy", *map(str, arguments)])


def _render(folder: Path, data: Data, *more: str) -> Result:
    return _ran("render", "-c", write(folder, data), *more)


def _behind(data: Data, changes: Data | None = None, *, cluster: str = "main") -> Data:
    """Return the configuration with HAProxy in front of nodes without the node program."""
    own = {f"clusters/{cluster}/balancer/kind": "haproxy", "denodo/program": False}
    return changed(data, {**own, **(changes or {})})


def _there(proxy: Running) -> list[str | Path]:
    return ["--run", proxy.haproxy.run, "--state", proxy.haproxy.state]


def test_render_prints_the_file(tmp_path: Path) -> None:
    """The expected output is a reviewed file, so this test detects every change of the output."""
    data = _behind(minimal("7.0"), {"services/web": {"port": 9090, "sticky": True}})
    done = _render(tmp_path, data)
    assert done.exit_code == 0
    assert done.stdout == (Path(__file__).parent / "rendered.cfg").read_text()


def test_render_has_haproxy_check_it(tmp_path: Path) -> None:
    done = _render(tmp_path, _behind(minimal(), SECURE), "--check", "--haproxy", PROGRAM)
    assert done.exit_code == 0, done.output
    assert f"{PROGRAM} accepts the file\n" in done.stderr
    assert (
        "these files do not exist on this machine, so HAProxy has not validated them: "
        "/etc/haproxy/tls/server.pem" in done.stderr
    )
    assert "bind :9443 ssl crt /etc/haproxy/tls/server.pem" in done.stdout


def test_the_documented_file_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/haproxy.md").read_text()
    file = tmp_path / "premises.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0])
    done = _ran("render", "-c", file, "--check", "--haproxy", PROGRAM)
    assert done.exit_code == 0, done.output
    assert "server vdp.node02 10.0.1.12:9090 cookie vdp.node02\n" in done.stdout


def test_render_says_what_haproxy_says(tmp_path: Path) -> None:
    picky = tmp_path / "haproxy"
    picky.write_text('#!/bin/sh\necho "[ALERT] I do not like it"\nexit 1\n')
    picky.chmod(0o755)
    done = _render(tmp_path, _behind(minimal()), "--check", "--haproxy", str(picky))
    assert done.exit_code == exit_codes.NO
    assert "I do not like it" in done.stderr
    assert done.stdout == ""


def test_render_needs_an_haproxy_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("denodo_ha.haproxy.config_check._PROGRAMS", ("no-such-haproxy",))
    done = _render(tmp_path, _behind(minimal()), "--check")
    assert done.exit_code == exit_codes.USAGE
    assert "install HAProxy, or add --haproxy" in done.stderr


def test_render_asks_which_cluster(tmp_path: Path) -> None:
    assert (
        "no cluster of this configuration uses balancer.kind: haproxy"
        in _render(tmp_path, minimal()).stderr
    )
    one = _behind(twins())
    assert "cluster main," in _render(tmp_path, one).stdout
    both = _behind(one, cluster="spare")
    asked = _render(tmp_path, both)
    assert asked.exit_code == exit_codes.USAGE
    assert "several clusters use HAProxy; add --cluster with one of main, spare" in asked.stderr
    assert "cluster spare," in _render(tmp_path, both, "--cluster", "spare").stdout
    assert "spare does not use HAProxy" in _render(tmp_path, one, "--cluster", "spare").stderr


def test_render_wants_a_configuration(tmp_path: Path) -> None:
    assert _ran("render").exit_code == exit_codes.USAGE
    wrong = _render(tmp_path, _behind(minimal(), {f"{BALANCER}/haproxy": {"maxconn": 0}}))
    assert wrong.exit_code == exit_codes.USAGE
    assert "maxconn: is too small (0)" in wrong.stderr


def test_render_prints_the_drop_in(tmp_path: Path) -> None:
    data = _behind(minimal(), {f"{BALANCER}/haproxy": {"maxconn": 5000}})
    told = _render(tmp_path, data, "--systemd", "--group", "denodo").stdout
    assert "LimitNOFILE=11000:524288\n" in told
    assert "-S /run/haproxy/master.sock,mode,660,group,denodo\n" in told


def test_the_unit_saves_the_states_before_each_start_and_reload(site: Site, tmp_path: Path) -> None:
    """Run the unit's command on a host with the host program, and on a host without it."""
    drop_in = _render(tmp_path, _behind(minimal()), "--systemd").stdout
    start, reload_ = (
        [line.removeprefix(f"{key}=") for line in drop_in.splitlines() if line.startswith(key)]
        for key in ("ExecStartPre", "ExecReload")
    )
    assert [command.partition(" ")[0] for command in start] == ["", "/usr/sbin/haproxy", "-/bin/sh"]
    assert [command.partition(" ")[0] for command in reload_] == [
        *("", "/usr/sbin/haproxy", "-/bin/sh", "/bin/kill")
    ]
    assert start[2] == reload_[2]
    unpacked("haproxy", tmp_path)
    with running(configuration(site.ports), started=False) as proxy:
        proxy.haproxy.config.write_text(render_config(proxy.environment, "main", proxy.host))
        own = f"{shlex.join(map(str, _there(proxy)))} --config {proxy.haproxy.config}"
        command = (
            start[2]
            .removeprefix("-")
            .replace("/opt/denodo-ha", str(tmp_path))
            .replace("-m haproxy", f"-m haproxy {own} --haproxy {PROGRAM}")
        )
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "6 of 8 servers start as down until they pass their checks\n"
        rows = saved_rows(proxy.haproxy)
        down = {row["be_name"] for row in rows if row["srv_op_state"] == "0"}
        assert down == {"jdbc", "odbc", "web"}
        proxy.start()


def test_render_for_a_balancer_in_front(tmp_path: Path) -> None:
    binds = [
        line
        for line in _render(tmp_path, _behind(minimal()), "--proxy-protocol").stdout.splitlines()
        if line.startswith("    bind ")
    ]
    assert binds == [
        "    bind :9999 accept-proxy",
        "    bind :9192 accept-proxy",
        "    bind 127.0.0.1:8404",
    ]


def test_a_node_goes_and_comes(proxy: Running) -> None:
    there = _there(proxy)
    assert _ran("status", *there).exit_code == exit_codes.DONE
    done = _ran("drain", "node1", *there)
    assert done.exit_code == exit_codes.DONE, done.output
    assert "node1: drained, no session is left" in done.stdout
    status = _ran("status", "--format", "json", *there)
    assert status.exit_code == exit_codes.NO
    told = json.loads(status.stdout)
    states = {(item["backend"], item["node"]): item["state"] for item in told["servers"]}
    assert states["jdbc", "node1"] == "maint"
    assert states["auxiliary.node1", "node1"] == "up"
    refused = _ran("drain", "node2", *there)
    assert refused.exit_code == exit_codes.REFUSED
    assert "denodo-ha: no other node would serve jdbc, odbc, web" in refused.stderr
    assert _ran("drain", "node3", *there).exit_code == exit_codes.USAGE
    # For two HAProxy instances, an operator first stops new sessions on both, then waits on both.
    assert _ran("enable", "node1", *there).exit_code == exit_codes.DONE
    assert _ran("drain", "node1", "--no-wait", *there).exit_code == exit_codes.DONE
    assert _ran("save", *there).exit_code == exit_codes.DONE
    assert _ran("drain", "node2", "--no-wait", "--force", *there).exit_code == exit_codes.DONE
    assert _ran("status", *there).exit_code == exit_codes.DOWN


def test_reload_and_verify(proxy: Running, tmp_path: Path) -> None:
    there = [*_there(proxy), "--file", proxy.haproxy.config, "--haproxy", PROGRAM]
    done = _ran("reload", *there)
    assert done.exit_code == exit_codes.DONE, done.output
    assert "instead of worker" in done.stdout
    assert _ran("verify", *there).exit_code == exit_codes.DONE
    bad = tmp_path / "bad.cfg"
    bad.write_text("bogus")
    assert _ran("reload", bad, *there).exit_code == exit_codes.REFUSED
    assert _ran("reload", tmp_path / "none", *there).exit_code == exit_codes.USAGE
    proxy.haproxy.execute("set server jdbc/node1 state maint")
    verified = _ran("verify", "--format", "json", *there)
    assert verified.exit_code == exit_codes.NO
    assert [one for one in json.loads(verified.stdout) if not one["right"]]


def test_an_absent_haproxy_fails(tmp_path: Path) -> None:
    there = ("--run", tmp_path, "--state", tmp_path / "state")
    for command in (("drain", "node1"), ("enable", "node1"), ("status",), ("save",)):
        done = _ran(*command, *there)
        assert done.exit_code == exit_codes.FAILED
        assert "no HAProxy answers at" in done.stderr


def test_it_runs_alone(proxy: Running, tmp_path: Path) -> None:
    """The host program runs without this project's other packages, as on a HAProxy host."""
    unpacked("haproxy", tmp_path, name="hx")

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        there = [str(one) for one in _there(proxy)]
        return subprocess.run(
            [sys.executable, "-S", "-E", "-m", "hx", *there, *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert run("status").returncode == exit_codes.DONE
    drained = run("drain", "node1")
    assert drained.returncode == exit_codes.DONE, drained.stderr
    assert run("status", "--format", "json").returncode == exit_codes.NO
    refused = run("drain", "node2")
    assert refused.returncode == exit_codes.REFUSED
    assert refused.stderr.startswith("haproxy: no other node would serve")
    assert run("enable", "node1").returncode == exit_codes.DONE
    assert run("status").returncode == exit_codes.DONE
    assert proxy.states()["jdbc/node1"] == "up"


@pytest.mark.parametrize("command", ["drain node1", "enable node1", "reload", "save", "verify"])
def test_alone_it_says_what_is_wrong(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "listen x\n    bind 127.0.0.1:1\n    timeout client 1s\n    timeout server 1s\n"
        "    timeout connect 1s\n"
    )
    there = ["--run", str(tmp_path), "--state", str(tmp_path / "state"), "--config", str(config)]
    assert commands.main([*there, "--haproxy", PROGRAM, *command.split()]) == exit_codes.FAILED
    assert "no HAProxy answers at" in capsys.readouterr().err


def test_exit_codes_are_those_of_every_command() -> None:
    assert (errors.DONE, errors.NO, errors.DOWN) == (
        exit_codes.DONE,
        exit_codes.NO,
        exit_codes.DOWN,
    )
    assert errors.INTERRUPTED == exit_codes.INTERRUPTED
    assert errors.UsageError.code == exit_codes.USAGE
    assert errors.Refused.code == exit_codes.REFUSED
    assert {errors.HaproxyError.code, errors.Failed.code, errors.NoAnswer.code} == {
        exit_codes.FAILED
    }
