"""The desired state of a HAProxy host, with a real HAProxy and a stand-in for the AWS CLI."""

import hashlib
import io
import json
import os
import signal
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from denodo_ha.environment.haproxy.config_file import render_config
from hosts.common import selinux
from hosts.common.aws_cli import AwsCli
from hosts.common.errors import AwsError, UnverifiedError
from hosts.haproxy.desired_state import DesiredState, fetch
from hosts.haproxy.errors import Failed, Refused
from hosts.haproxy.host import Host, apply, boot, update
from hosts.haproxy.reloading import keep_previous, previous_file
from hosts.haproxy.workers import workers
from tests.hosts.haproxy.clients import handshake
from tests.hosts.haproxy.running import Running, configuration, running
from tests.hosts.haproxy.stand_ins import Site
from tests.support.servers.haproxy_program import PROGRAM

_AWS = """\
#!/usr/bin/env python3
import json, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
what, *rest = sys.argv[1:]
if what == "ssm":
    print(json.dumps({"Parameter": {"Value": (here / "parameter").read_text()}}))
elif what == "s3api":
    key = next(one for one in rest if one.startswith("--key=")).partition("=")[2]
    shutil.copy(here / key, rest[-1])
else:
    name = next(one for one in rest if one.startswith("--secret-id=")).rpartition(":")[2]
    if not (here / name).exists():
        sys.exit("AccessDeniedException: not allowed")
    print(json.dumps({"SecretString": (here / name).read_text()}))
"""
AWS = AwsCli(region="eu-west-1")


class Deployed:
    """A HAProxy host, and stand-ins for its SSM parameter and S3 objects."""

    def __init__(self, folder: Path, proxy: Running) -> None:
        self.folder, self.proxy = folder, proxy
        self.said: list[str] = []
        self.host = Host(
            proxy.haproxy,
            tls=folder / "tls",
            drop_in=folder / "systemd/denodo.conf",
            systemctl=None,
            settle=0,
        )
        command = folder / "aws"
        command.write_text(_AWS)
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        self.file = render_config(proxy.environment, "main", proxy.host)
        self.say()

    def say(self, **more: object) -> None:
        """Write the desired state, and upload the configuration file that the state names."""
        wanted = {
            "program": "s3://bucket/one.zip",
            "file": self.upload(self.file.encode(), "cfg"),
            "drop_in": "[Service]\nLimitNOFILE=5000\n",
            "certificate": None,
            "authority": None,
            "health_port": proxy_health(self.proxy),
            **more,
        }
        (self.folder / "parameter").write_text(json.dumps(wanted))

    def upload(self, content: bytes, extension: str) -> str:
        """Upload an object to the bucket as a deploy does; return the S3 URL."""
        key = f"{hashlib.sha256(content).hexdigest()}.{extension}"
        (self.folder / key).write_bytes(content)
        return f"s3://bucket/{key}"

    def tamper(self, uri: str, content: bytes) -> None:
        """Replace the content of an S3 object without a change of the object's key."""
        (self.folder / uri.rpartition("/")[2]).write_bytes(content)

    def apply(self) -> None:
        apply(self.host, AWS, self.desired, self.said.append)

    @property
    def desired(self) -> DesiredState:
        return fetch(AWS, "/denodo/test/main/haproxy/state")


def proxy_health(proxy: Running) -> int:
    return proxy.environment.clusters["main"].balancer.proxy.health_port


@pytest.fixture
def deployed(proxy: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Deployed(tmp_path, proxy)


def test_another_file_is_loaded_and_the_same_one_is_not(deployed: Deployed) -> None:
    before = workers(deployed.proxy.haproxy).serving
    deployed.file = deployed.file.replace("maxconn 2000", "maxconn 1999")
    deployed.say()
    deployed.apply()
    after = workers(deployed.proxy.haproxy).serving
    assert after != before
    assert "Maxconn: 1999" in deployed.proxy.haproxy.query("show info")
    assert deployed.host.drop_in.read_text().endswith("LimitNOFILE=5000\n")
    deployed.apply()
    assert deployed.said[-1].startswith("HAProxy already runs the configuration")
    assert workers(deployed.proxy.haproxy).serving == after


def test_a_bad_file_leaves_the_old_one_and_its_certificates(deployed: Deployed) -> None:
    before = workers(deployed.proxy.haproxy)
    content = deployed.proxy.haproxy.config.read_text()
    (deployed.folder / "cert").write_text("-----BEGIN CERTIFICATE-----")
    deployed.file += "\nfrontend wrong\n    bogus\n"
    deployed.say(certificate="arn:aws:secretsmanager:eu-west-1:1:secret:cert")
    with pytest.raises(Refused, match="nothing was changed"):
        deployed.apply()
    assert deployed.proxy.haproxy.config.read_text() == content
    assert not (deployed.host.tls / "server.pem").exists()
    assert workers(deployed.proxy.haproxy).serving == before.serving
    handshake(deployed.proxy.port("jdbc"))


def test_another_certificate_is_loaded_and_nobody_else_reads_it(deployed: Deployed) -> None:
    deployed.apply()
    before = workers(deployed.proxy.haproxy).serving
    (deployed.folder / "cert").write_text("secret")
    deployed.say(certificate="arn:aws:secretsmanager:eu-west-1:1:secret:cert")
    deployed.apply()
    file = deployed.host.tls / "server.pem"
    assert file.read_text() == "secret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert workers(deployed.proxy.haproxy).serving != before
    assert "secret\n" not in deployed.said


def test_a_secret_that_cannot_be_read_changes_nothing(deployed: Deployed) -> None:
    before = workers(deployed.proxy.haproxy).serving
    deployed.say(authority="arn:aws:secretsmanager:eu-west-1:1:secret:nobody")
    with pytest.raises(AwsError, match="AccessDeniedException: not allowed"):
        deployed.apply()
    assert workers(deployed.proxy.haproxy).serving == before


@pytest.mark.parametrize(
    "text", ["{}", "[]", "", "[" * 100_000, "9" * 5001, '{"program": 1e999, "health_port": 1e999}']
)
def test_a_parameter_that_says_nothing_is_told(deployed: Deployed, text: str) -> None:
    (deployed.folder / "parameter").write_text(text)
    with pytest.raises(Failed, match="does not contain the desired state of a HAProxy"):
        deployed.apply()


def test_a_killed_apply_is_completed(deployed: Deployed) -> None:
    """The killed run has written the new file, but no worker has loaded the new file yet."""
    before = workers(deployed.proxy.haproxy).serving
    deployed.file = deployed.file.replace("maxconn 2000", "maxconn 1999")
    deployed.say()
    keep_previous(deployed.proxy.haproxy)
    deployed.proxy.haproxy.config.write_text(deployed.file)
    deployed.apply()
    assert workers(deployed.proxy.haproxy).serving != before
    assert "Maxconn: 1999" in deployed.proxy.haproxy.query("show info")
    assert not previous_file(deployed.proxy.haproxy).exists()


def test_after_a_killed_apply_the_file_that_served_is_restored(deployed: Deployed) -> None:
    """HAProxy cannot start with the new file; the killed run had not restored the old file yet."""
    served = deployed.proxy.haproxy.config.read_text()
    keep_previous(deployed.proxy.haproxy)
    deployed.file = served.replace("\nglobal\n", "\nglobal\n    stats socket /no/where\n")
    deployed.proxy.haproxy.config.write_text(deployed.file)
    (deployed.folder / "cert").write_text("secret")
    deployed.say(certificate="arn:aws:secretsmanager:eu-west-1:1:secret:cert")
    with pytest.raises(Failed, match=r"did not start.*is restored"):
        deployed.apply()
    assert deployed.proxy.haproxy.config.read_text() == served
    assert not (deployed.host.tls / "server.pem").exists()
    assert not previous_file(deployed.proxy.haproxy).exists()


def _zipped(text: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("__main__.py", text)
    return stream.getvalue()


def test_the_wanted_program_is_taken_once(deployed: Deployed) -> None:
    one = deployed.upload(_zipped("print('one')"), "zip")
    deployed.say(program=one)
    programs = deployed.folder / "programs"
    assert update(AWS, deployed.desired, programs)
    assert (programs / "current/haproxy/__main__.py").read_text() == "print('one')"
    assert not update(AWS, deployed.desired, programs)
    deployed.say(program=deployed.upload(b"no archive", "zip"))
    with pytest.raises(UnverifiedError, match="is not an archive of the program"):
        update(AWS, deployed.desired, programs)
    two = deployed.upload(_zipped("print('two')"), "zip")
    deployed.tamper(two, _zipped("print('three')"))
    deployed.say(program=two)
    with pytest.raises(UnverifiedError, match="is not used: the SHA-256 of the object's"):
        update(AWS, deployed.desired, programs)
    assert (programs / "current").resolve().name == PurePosixPath(one).stem


@pytest.mark.parametrize("change", ["tampered", "cut"])
def test_a_file_with_other_bytes_is_not_loaded(deployed: Deployed, change: str) -> None:
    before = workers(deployed.proxy.haproxy).serving
    content = deployed.proxy.haproxy.config.read_text()
    deployed.file = deployed.file.replace("maxconn 2000", "maxconn 1999")
    deployed.say()
    text = deployed.file.encode()
    deployed.tamper(deployed.desired.file, text[:-1] if change == "cut" else text + b"# more")
    with pytest.raises(UnverifiedError, match="is not used: the SHA-256 of the object's"):
        deployed.apply()
    assert deployed.proxy.haproxy.config.read_text() == content
    assert workers(deployed.proxy.haproxy).serving == before


@pytest.fixture
def fresh(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Return a host before its first boot, with a `systemctl` that starts HAProxy."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with running(
        configuration(site.ports), started=False, address="127.0.0.1", behind_proxy=True
    ) as proxy:
        made = Deployed(tmp_path, proxy)
        pids, command = tmp_path / "pids", tmp_path / "systemctl"
        command.write_text(
            f"#!/bin/sh\necho $1 >> {tmp_path}/told\n[ $1 != restart ] || exec {PROGRAM} -W -D "
            f"-f {proxy.haproxy.config} -S {proxy.folder}/master.sock,mode,660 -p {pids}\n"
        )
        command.chmod(0o700)
        made.host = Host(proxy.haproxy, made.host.tls, made.host.drop_in, str(command), settle=0)
        yield made
        if pids.exists():
            os.kill(int(pids.read_text()), signal.SIGTERM)


def test_first_boot_waits_until_a_node_is_usable(fresh: Deployed) -> None:
    boot(fresh.host, AWS, fresh.desired, fresh.said.append)
    assert fresh.said == ["HAProxy serves"]
    assert (fresh.folder / "told").read_text().split() == ["daemon-reload", "enable", "restart"]
    assert fresh.proxy.haproxy.config.read_text() == fresh.file


def test_first_boot_under_selinux_names_the_boolean(
    fresh: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selinux, "is_off", lambda boolean: boolean == "haproxy_connect_any")
    with pytest.raises(Refused, match="setsebool -P haproxy_connect_any 1"):
        boot(fresh.host, AWS, fresh.desired, fresh.said.append)
    assert not (fresh.folder / "told").exists()


def test_first_boot_with_other_bytes_starts_nothing(fresh: Deployed) -> None:
    fresh.tamper(fresh.desired.file, fresh.file.encode()[:-1])
    with pytest.raises(UnverifiedError):
        boot(fresh.host, AWS, fresh.desired, fresh.said.append)
    assert not (fresh.folder / "told").exists()
    assert not fresh.proxy.haproxy.config.exists()


def test_first_boot_with_a_bad_file_starts_nothing(fresh: Deployed) -> None:
    fresh.file += "\nfrontend wrong\n    bogus\n"
    fresh.say()
    with pytest.raises(Refused, match="unknown keyword 'bogus'"):
        boot(fresh.host, AWS, fresh.desired, fresh.said.append)
    assert not (fresh.folder / "told").exists()
