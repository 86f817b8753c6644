"""The scripts for the Solution Manager, with a stand-in for denodo-ha."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hosts.solution_manager.manager_host import HANGING, SCRIPTS, TIMEOUT_S, Manager
from tests.support.waiting import read_until

PASSWORD = "pa55word"  # noqa: S105 - a password of no account


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return Manager(tmp_path)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("enable", ["enable", "node1", "--timeout", "500"]),
        ("disable", ["drain", "node1", "--timeout", "500", "--why", "Solution Manager"]),
    ],
)
def test_runs_the_command_and_logs(manager: Manager, script: str, expected: list[str]) -> None:
    code, said = manager.run(script, "prod", "active", "node1")
    command, node, *rest = expected
    assert code == 0
    assert manager.arguments.read_text().split("\n")[:-1] == [
        *(command, node, "--cluster", "active", "-c", "prod"),
        *rest,
    ]
    assert "draining node1" in said
    assert "an error line" in said
    assert said.rstrip().endswith("done")
    assert manager.log.read_text() == said
    assert manager.log.stat().st_mode & 0o077 == 0


def test_limit_and_profile(manager: Manager) -> None:
    assert manager.run("enable", "prod", "active", "node1", "900", "manager")[0] == 0
    rest = manager.arguments.read_text().split()[6:]
    assert rest == ["--timeout", "900", "--profile", "manager"]


def test_none_is_a_hyphen(manager: Manager) -> None:
    assert manager.run("enable", "prod", "active", "node1", "-", "-")[0] == 0
    assert manager.arguments.read_text().split()[6:] == ["--timeout", "500"]


@pytest.mark.parametrize("code", [1, 3, 4, 6])
def test_what_is_not_done_is_no_success(manager: Manager, code: int) -> None:
    manager.environment["CODE"] = str(code)
    ended, said = manager.run("disable", "prod", "active", "node1")
    assert ended == code
    assert f"failed with exit code {code}; 'denodo-ha status -c prod' shows the" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prod", "active"],
        ["prod", "active", ""],
        ["prod", "active", "-"],
        ["--force", "active", "node1"],
        ["prod", "active", "node1", "ten"],
        ["prod", "active", "node1", "0"],
        ["prod", "active", "node1", "600", "a", "b"],
    ],
)
def test_parameters_in_the_wrong_place(manager: Manager, arguments: list[str]) -> None:
    code, said = manager.run("disable", *arguments)
    assert code == 2
    assert "CONFIG CLUSTER NODE [LIMIT] [PROFILE]" in said
    assert not manager.arguments.exists()


def test_values_are_not_read_by_the_shell(manager: Manager) -> None:
    manager.run("disable", "a b.yaml", "$(id)", "no;de *")
    assert manager.arguments.read_text().split("\n")[1:6] == [
        *("no;de *", "--cluster", "$(id)", "-c", "a b.yaml"),
    ]


def test_a_command_that_takes_too_long_is_ended(manager: Manager) -> None:
    manager.put(HANGING)
    manager.environment["SECOND_IS_OVER"] = str(manager.hold_time())
    code, said = manager.run("disable", "prod", "active", "node1", "1")
    assert code == 130
    assert "undone" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_the_script_ends_the_command(manager: Manager, number: int) -> None:
    manager.put(HANGING)
    with manager.start("disable", "prod", "active", "node1") as process:
        read_until(process.stdout, "ready")
        process.send_signal(number)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "undone" in rest


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full 2>&1", "| head -1"])
def test_the_code_and_the_log_do_not_depend_on_the_streams(manager: Manager, streams: str) -> None:
    manager.put('#!/bin/sh\nfor line in 1 2 3 4; do echo "$line"; sleep 0.05; done\nexit "$CODE"\n')
    manager.environment["CODE"] = "3"
    script = f'{{ "$1" prod active node1; echo $? >code; }} {streams}'
    subprocess.run(
        ["bash", "-c", script, "bash", str(SCRIPTS / "disable")],
        env=manager.environment,
        cwd=manager.folder,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert int((manager.folder / "code").read_text()) == 3
    lines = [line.split("] ")[1] for line in manager.log.read_text().splitlines()]
    assert lines[1:-1] == ["1", "2", "3", "4"]
    assert lines[-1].startswith("failed with exit code 3")


_TOOLS = ("find", "mktemp", "mkfifo", "rm", "denodo-ha")


def _interrupt_at(manager: Manager, tool: str, number: signal.Signals, *, after: bool) -> None:
    """Send a signal to the script before or after the script's first call of a tool."""
    folder = manager.folder / "bin"
    folder.mkdir()
    interrupt = (
        f'mkdir "{folder}/once" 2>/dev/null && {{ kill -{number.value} "$(cat {folder}/pid)"; '
        f"[ {number.value} -ne {signal.SIGKILL.value} ] || sleep 0.2; }}"
    )
    real = folder / "denodo-ha.real" if tool == "denodo-ha" else shutil.which(tool)
    if tool == "denodo-ha":
        manager.program.rename(folder / "denodo-ha.real")
    file = manager.program if tool == "denodo-ha" else folder / tool
    steps = (
        [f'"{real}" "$@"\ncode=$?', interrupt] if after else [interrupt, f'"{real}" "$@"\ncode=$?']
    )
    file.write_text("#!/bin/sh\n" + "\n".join(steps) + '\nexit "$code"\n')
    file.chmod(0o700)
    manager.environment["PATH"] = f"{folder}:{manager.environment['PATH']}"


def _run_with_pid(manager: Manager) -> subprocess.CompletedProcess[str]:
    """Run a script whose process id is written to a file, and wait for all its processes."""
    script = f'echo $$ >"{manager.folder}/bin/pid"; exec "$1" prod active node1'
    return subprocess.run(
        ["sh", "-c", script, "sh", str(SCRIPTS / "disable")],
        env=manager.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Limit the wait until the last process of the script has closed the output.
        timeout=TIMEOUT_S,
        check=False,
    )


def _left(manager: Manager) -> list[str]:
    """Return the output files that scripts have left in the temporary folder."""
    return [path.name for path in manager.folder.glob("denodo-ha-output.*")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("tool", _TOOLS)
def test_after_a_kill_the_next_run_works(manager: Manager, tool: str, *, after: bool) -> None:
    _interrupt_at(manager, tool, signal.SIGKILL, after=after)
    assert _run_with_pid(manager).returncode == -signal.SIGKILL
    # Make the files six minutes old, since the scripts remove old files only.
    for name in _left(manager):
        old = time.time() - 360
        os.utime(manager.folder / name, (old, old))
    done = _run_with_pid(manager)
    assert done.returncode == 0, done.stdout
    assert done.stdout.rstrip().endswith("done")
    assert _left(manager) == []


@pytest.mark.parametrize(
    ("number", "tool"),
    [
        (signal.SIGTERM, "find"),
        (signal.SIGTERM, "mktemp"),
        (signal.SIGINT, "mkfifo"),
        (signal.SIGHUP, "rm"),
    ],
)
def test_a_signal_before_the_start_changes_nothing(
    manager: Manager, tool: str, number: signal.Signals
) -> None:
    _interrupt_at(manager, tool, number, after=True)
    done = _run_with_pid(manager)
    assert done.returncode == 130
    assert "interrupted before the start; nothing was changed" in done.stdout
    assert not manager.arguments.exists()
    assert _left(manager) == []


def test_by_a_link_and_with_the_clones_own_program(manager: Manager) -> None:
    link = manager.folder / "take-out"
    link.symlink_to(SCRIPTS / "disable")
    del manager.environment["DENODO_HA"]
    done = subprocess.run(
        [link, "no-such-file.yaml", "active", "node1"],
        env=manager.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no-such-file.yaml" in done.stdout
    assert "failed with exit code 2" in done.stdout


def test_goes_on_without_its_log(manager: Manager) -> None:
    manager.environment["DENODO_HA_LOG"] = "/nonexistent/manager.log"
    code, said = manager.run("enable", "prod", "active", "node1")
    assert code == 0
    assert "cannot be written" in said


def test_leaves_nothing_behind(manager: Manager) -> None:
    manager.run("enable", "prod", "active", "node1")
    left = {path.name for path in manager.folder.iterdir()}
    assert left == {"denodo-ha", "arguments", "arguments.seen", "manager.log"}


def test_no_program_is_said(manager: Manager) -> None:
    manager.environment["DENODO_HA"] = "/nonexistent/denodo-ha"
    code, said = manager.run("enable", "prod", "active", "node1")
    assert code == 2
    assert "docs/how-to/solution-manager.md" in said


def haproxy(manager: Manager, *arguments: str) -> tuple[int, str, list[str]]:
    """Run the script `haproxy`; return exit code, output, and the arguments that denodo-ha got."""
    code, output = manager.run("haproxy", *arguments)
    given = manager.arguments.read_text().split("\n")[:-1] if manager.arguments.exists() else []
    return code, output, given


@pytest.mark.parametrize("state", ["maint", "ready"])
@pytest.mark.parametrize(
    ("user", "host", "expected"),
    [
        ("sm", "localhost", "haproxy {} vdp.node01 --timeout 450"),
        ("-", "-", "haproxy {} vdp.node01 --timeout 450"),
        ("sm", "lb1,lb2", "haproxy {} vdp.node01 --timeout 450 --host lb1,lb2 --user sm"),
        ("-", "10.0.9.1", "haproxy {} vdp.node01 --timeout 450 --host 10.0.9.1"),
        ("", "lb1", "haproxy {} vdp.node01 --timeout 450 --host lb1"),
        (
            "sm",
            "prod/active",
            "{} vdp.node01 --cluster active -c prod --timeout 500{} --profile sm",
        ),
        ("-", "/a/b.yaml/main", "{} vdp.node01 --cluster main -c /a/b.yaml --timeout 500{}"),
    ],
)
def test_the_articles_parameters(
    manager: Manager, state: str, user: str, host: str, expected: str
) -> None:
    code, said, given = haproxy(manager, "vdp.node01", state, user, PASSWORD, host)
    command = {"maint": "drain", "ready": "enable"}[state]
    why = " --why Solution Manager" if command == "drain" else ""
    assert (code, " ".join(given)) == (0, expected.format(command, why))
    assert said.startswith("PASSWORD is not used")
    assert said.rstrip().endswith("done")
    assert f"{command} vdp.node01 o" in manager.log.read_text()


@pytest.mark.parametrize("host", ["localhost", "lb1", "prod/active"])
def test_the_password_is_nowhere(manager: Manager, host: str) -> None:
    # The password is unique, because the test searches for it in the arguments of all processes.
    password = secrets.token_hex()
    _, said, _ = haproxy(manager, "node1", "maint", "sm", password, host)
    seen = Path(f"{manager.arguments}.seen").read_text(errors="replace")
    assert str(manager.program) in seen
    assert password not in seen + said + manager.log.read_text()


@pytest.mark.parametrize("password", ["", "-"])
def test_no_password_is_no_warning(manager: Manager, password: str) -> None:
    code, said, _ = haproxy(manager, "node1", "ready", "sm", password, "lb1", "100")
    assert code == 0
    assert manager.log.read_text() == said


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "node1 maint sm - ",
        "node1 maint sm - lb1 600 more",
        "node1 drain sm - lb1",
        f"node1 {PASSWORD} sm - lb1",
        "-x maint sm - lb1",
        f"{PASSWORD};id maint sm - lb1",
        "$(id) maint sm - lb1",
        f"node1 maint {PASSWORD}! - lb1",
        f"node1 maint -o{PASSWORD} - lb1",
        f"node1 maint sm - lb1;{PASSWORD}",
        f"node1 maint sm - -o{PASSWORD}",
        f"node1 maint sm - sm@{PASSWORD}",
        "node1 maint sm lb1 600",
        f"node1 maint sm - lb1 {PASSWORD}",
        "node1 maint sm - lb1 0",
    ],
)
def test_parameters_of_the_article_in_the_wrong_place(manager: Manager, arguments: str) -> None:
    code, said, given = haproxy(manager, *arguments.split(" ") if arguments else [])
    assert code == 2
    assert given == []
    assert "parameters: NODE ready|maint USER PASSWORD HOST [LIMIT], in this" in said
    # A misplaced parameter may be the password, so no output may contain it.
    assert PASSWORD not in said


def test_what_haproxy_refuses_is_no_success(manager: Manager) -> None:
    manager.environment["CODE"] = "3"
    code, said, _ = haproxy(manager, "node1", "maint", "-", "-", "lb1,lb2")
    assert code == 3
    assert "failed with exit code 3; 'python3 -m haproxy status' on each of lb1,lb2 shows" in said
