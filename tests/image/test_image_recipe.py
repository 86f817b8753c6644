"""The recipe of the machine image: its shell steps, and the syntax of its template.

The steps run against a folder with a fake installer. Programs that would change this machine are
replaced by programs that record their arguments.
"""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.assembly import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = ROOT / "image/install-denodo"
TEMPLATE = ROOT / "image/denodo.pkr.hcl"

INSTALLER = """#!/bin/sh
[ "$*" = "install --autoinstaller response.xml" ] || exit 9
[ -e "$INSTALLER_FAILS" ] && { echo "no licence accepted"; exit 1; }
home=$(sed 's/.*<path>//; s/<.*//' response.xml)
mkdir -p "$home/bin" "$home/lib/extensions"
ls denodo-update >"$home/updates" 2>/dev/null
for name in vqlserver_startup vqlserver_shutdown regenerateFiles ping; do
    printf '#!/bin/sh\\n' >"$home/bin/$name.sh"
    chmod +x "$home/bin/$name.sh"
done
"""
RECORDER = '#!/bin/sh\necho "$(basename "$0") $*" >>"$RECORD"\n'
RUNUSER = f'{RECORDER}while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
UNZIP = '#!/bin/sh\nexec python3 -m zipfile -e "$2" "$4"\n'
ID = "#!/bin/sh\nexit 1\n"


class Machine:
    """Simulated machine: the files of a build, and programs that record their arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "opt/denodo/denodo_platform_8_0"
        self.files = folder / "files"
        self.programs = folder / "bin"
        self.record = folder / "record"
        self.record.write_text("")
        self.files.mkdir()
        self.programs.mkdir()
        plain = ("useradd", "chown", "systemctl", "aws", "cloud-init", "amazon-ssm-agent")
        for name in plain:
            self._program(name, RECORDER)
        for name, text in {"runuser": RUNUSER, "unzip": UNZIP, "id": ID}.items():
            self._program(name, text)
        with zipfile.ZipFile(self.files / "installer.zip", "w") as archive:
            archive.writestr("denodo-install-8.0/installer_cli.sh", INSTALLER)
        (self.files / "response.xml").write_text(f"<x><path>{self.home}</path></x>")

    def _program(self, name: str, text: str) -> None:
        file = self.programs / name
        file.write_text(text)
        file.chmod(0o755)

    def install(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the shell steps of the recipe, with these environment variables."""
        environment: Mapping[str, str] = {
            **os.environ,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "RECORD": str(self.record),
            "DENODO_HOME": str(self.home),
            "INSTALLER_FAILS": str(self.folder / "fails"),
            "TMPDIR": str(self.folder),
            **variables,
        }
        return subprocess.run(
            ["sh", SCRIPT, self.files],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_denodo_is_installed_with_update_and_drivers(machine: Machine) -> None:
    with zipfile.ZipFile(machine.files / "update.zip", "w") as archive:
        archive.writestr("denodo-v80-update-20240306.jar", "jar")
    driver = machine.files / "drivers/jdbc-drivers/postgresql-12/postgresql.jar"
    driver.parent.mkdir(parents=True)
    driver.write_text("driver")

    done = machine.install()

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"Denodo is installed in {machine.home}" in done.stdout
    assert (machine.home / "updates").read_text() == "denodo-update.jar\n"
    copied = machine.home / "lib/extensions/jdbc-drivers/postgresql-12/postgresql.jar"
    assert copied.read_text() == "driver"
    record = machine.record.read_text()
    assert "useradd --system --create-home --shell /bin/sh denodo\n" in record
    installer = "./installer_cli.sh install --autoinstaller response.xml"
    assert f"runuser -u denodo -- {installer}\n" in record
    # The build deletes its input files, since the response file may contain passwords.
    assert not machine.files.exists()
    assert list(machine.folder.glob("tmp.*")) == []


def test_without_update_and_drivers(machine: Machine) -> None:
    assert machine.install().returncode == 0
    assert (machine.home / "updates").read_text() == ""


def test_everything_that_is_missing_is_named_at_once(machine: Machine) -> None:
    (machine.files / "response.xml").unlink()
    # The PATH contains the stand-ins that record their calls, except for `runuser`, and the
    # programs that the shell script itself needs.
    (machine.programs / "runuser").unlink()
    for name in ("sh", "python3", "grep", "dirname", "basename"):
        (machine.programs / name).symlink_to(_found(name))
    done = machine.install(PATH=str(machine.programs))
    assert done.returncode == 1
    assert re.search(r"missing: \S+/response\.xml runuser; install or copy", done.stderr)
    assert not machine.home.exists()


def test_another_path_in_the_answers_is_refused(machine: Machine) -> None:
    done = machine.install(DENODO_HOME="/opt/elsewhere/denodo_platform_8_0")
    assert done.returncode == 1
    assert "does not contain /opt/elsewhere" in done.stderr


def test_a_failed_installation_ends_the_build(machine: Machine) -> None:
    (machine.folder / "fails").touch()
    done = machine.install()
    assert done.returncode == 1
    assert "no licence accepted" in done.stdout
    assert "the installer failed" in done.stderr


def test_an_installation_that_exists_is_left_alone(machine: Machine) -> None:
    machine.home.mkdir(parents=True)
    done = machine.install()
    assert done.returncode == 1
    assert "exists: start from an image without Denodo" in done.stderr
    assert machine.files.exists()


@pytest.mark.skipif(
    not (ROOT / "node_modules/@cdktf/hcl2json").exists(), reason="needs the packages of `make dev`"
)
def test_the_template_of_packer_is_valid_and_uses_only_what_it_declares() -> None:
    """HashiCorp's own parser reads the template."""
    program = (
        f"require({json.dumps(str(ROOT / 'node_modules/@cdktf/hcl2json'))})"
        f".parse('denodo.pkr.hcl', require('fs').readFileSync({json.dumps(str(TEMPLATE))}, 'utf8'))"
        ".then(parsed => console.log(JSON.stringify(parsed)))"
    )
    done = subprocess.run(
        [ROOT / ".venv/node", "-e", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    template = json.loads(done.stdout)
    declared = set(template["variable"])
    assert set(re.findall(r"\bvar\.(\w+)", TEMPLATE.read_text())) == declared
    (build,) = template["build"]
    (source,) = build["sources"]
    _, kind, name = source.split(".")
    assert name in template["source"][kind]
    scripts = [step["script"] for step in build["provisioner"]["shell"] if "script" in step]
    assert scripts == ["${path.root}/install-denodo"]
    page = (ROOT / "docs/how-to/build-the-image.md").read_text(encoding="utf-8")
    required = {name for name, (each,) in template["variable"].items() if "default" not in each}
    assert required <= set(re.findall(r"-var (\w+)=", page))


def _found(name: str) -> Path:
    folders = os.environ["PATH"].split(":")
    return next(Path(folder) / name for folder in folders if (Path(folder) / name).exists())
