"""A new instance for tests of first boot and program updates, with stand-ins for commands."""

import getpass
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from hosts import archive
from hosts.common.releases import (
    MOST_UNPACKED_BYTES,
)
from stacks.nodes.first_boot import first_boot_script
from stacks.nodes.first_boot_original import original_script
from tests.hosts.denodo.home import Home

PARAMETER = "/denodo/denodo/active/node1"
_SIGNAL = {"stack": "denodo-active", "resource": "Node1", "when": "ready"}

INSTANCE = "i-0123456789abcdef0"

_AWS = """\
#!{python} -SE
import json, shutil, sys
from pathlib import Path
here, arguments = Path({here!r}), sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + chr(10))
failures = here / ("fail-" + arguments[0])
if failures.exists() and (left := int(failures.read_text())):
    failures.write_text(str(left - 1))
    sys.exit("An error occurred: no way out")
if (here / ("hang-" + arguments[0])).exists():
    import time
    time.sleep(600)
text = " ".join(arguments).replace("=", " ").split()
if arguments[0] == "ssm":
    state = (here / "state.json").read_text()
    parameter = {{"Parameter": {{"Value": state}}}}
    print(state if "--query" in arguments else json.dumps(parameter))
elif arguments[:2] == ["s3", "cp"]:
    shutil.copy(here / arguments[-2].rsplit("/", 1)[1], arguments[-1])
elif arguments[:2] == ["s3api", "get-object"]:
    (target,) = [one for one in arguments if one.endswith("/node.zip")]
    last = int(text[text.index("--range") + 2].split("-")[1])
    content = (here / text[text.index("--key") + 1]).read_bytes()
    Path(target).write_bytes(content[:last + 1])
"""
_SYSTEMCTL = """\
#!/bin/sh
[ "$1" = --version ] || echo "$@" >> {here}/systemctl
"""
# Runs the real program with options that put its files into the test's folder.
_PYTHON = """\
#!/bin/sh
if [ "$*" != "${{*#-m node}}" ]; then
    shift 2
    exec {python} -m node --folder={here}/var "$@" --root={here}/root
fi
exec {python} "$@"
"""


class Machine:
    """A new instance: a folder with its files, stand-ins for its commands, and AWS's answers."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home, self.here = home, folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name, text in (("aws", _AWS), ("systemctl", _SYSTEMCTL), ("python3", _PYTHON)):
            program = self.bin / name
            program.write_text(text.format(python=sys.executable, here=str(folder)))
            program.chmod(0o755)
        for name in [
            "sh",
            "tr",
            "cut",
            "cat",
            "sleep",
            "mkdir",
            "basename",
            "rm",
            "mv",
            "ln",
            "sync",
        ]:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        (folder / "instance").write_text(f"{INSTANCE}\n")
        self.one = self.publish("one")
        self.desire(program=self.one)

    def publish(self, text: str) -> str:
        """Upload an archive of the program with an additional file; return the S3 URL."""
        file = archive.write("denodo", self.here / "archive.zip")
        with zipfile.ZipFile(file, "a") as packed:
            packed.writestr("text", text)
        return self.upload(file.read_bytes())

    def upload(self, content: bytes) -> str:
        """Upload an object to the bucket as a deploy does; return the S3 URL."""
        key = f"{hashlib.sha256(content).hexdigest()}.zip"
        (self.here / key).write_bytes(content)
        return f"s3://bucket/{key}"

    def tamper(self, uri: str, content: bytes) -> None:
        """Replace the content of an S3 object without a change of the object's key."""
        (self.here / uri.rsplit("/", 1)[1]).write_bytes(content)

    def desire(self, **changes: Any) -> None:
        """Write the desired state to the parameter, with changes."""
        # At first boot, the program refuses a state whose Denodo user is root.
        user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        state = self.home.data(**{"signal": _SIGNAL, "denodo__user": user, **changes})
        (self.here / "state.json").write_text(json.dumps(state))

    def boot(self, *, original: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the user data: the current text, or the text of the first version."""
        if original:
            text = original_script(parameter=PARAMETER, region="eu-west-1")
            text = text.replace("/opt/denodo-node", f"{self.here}/opt").replace(
                "sleep 15", "sleep 0"
            )
        else:
            text = first_boot_script(
                parameter=PARAMETER,
                region="eu-west-1",
                folder=f"{self.here}/opt",
                pause="0",
                instance=f"{self.here}/instance",
            )
        text = text.replace("PATH=/usr/local/sbin:", f"PATH={self.bin}:/none:", 1)
        text = text.replace(":/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "", 1)
        return subprocess.run(
            [str(self.bin / "sh"), "-c", text],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={"HOME": str(self.here)},
        )

    def releases(self) -> list[str]:
        """Return the names of the installed releases."""
        return sorted(release.name for release in (self.here / "opt/releases").iterdir())

    def calls(self) -> list[list[str]]:
        """Return the arguments of each AWS CLI call."""
        return [json.loads(line) for line in (self.here / "calls").read_text().splitlines()]

    def signals(self) -> list[tuple[str, str]]:
        """Return the signals sent to CloudFormation: status and unique id of each."""
        statuses = []
        for call in self.calls():
            if call[0] == "cloudformation":
                assert call[call.index("--stack-name") + 1] == "denodo-active"
                assert call[call.index("--logical-resource-id") + 1] == "Node1"
                statuses.append(
                    (call[call.index("--status") + 1], call[call.index("--unique-id") + 1])
                )
        return statuses


def release_name(uri: str) -> str:
    return PurePosixPath(uri).stem


def zipped(name: str, *, mode: int = 0o100644, content: str = "print('never run')") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        packed.writestr(member, content)
    return stream.getvalue()


HOSTILE = {
    "no archive": b"<html>",
    "a member above": zipped("../../evil.py"),
    "an absolute name": zipped("/tmp/evil.py"),
    "a link": zipped("node", mode=0o120777, content="/etc"),
    "too large": zipped("zeros", content="0" * (MOST_UNPACKED_BYTES + 1)),
}
