"""Commands of a machine: `aws`, HAProxy's file, and the addresses and paths of programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.nodes.first_boot import first_boot_script
from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import resource
from tools.local_aws.living import machine_files
from tools.local_aws.living.commands import aws_command, haproxy_command, machine_paths
from tools.local_aws.living.machine_files import Settings
from tools.local_aws.living.machine_root import MachineRoot

_FILE = """\
global
    maxconn 20
resolvers nodes
    parse-resolv-conf
frontend jdbc
    bind :9999 accept-proxy
frontend low
    bind *:443 ssl crt /etc/haproxy/tls/server.pem
frontend metrics
    bind 127.0.0.1:8404
frontend other
    bind 10.0.0.1:1000
"""


@pytest.fixture
def settings(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Write the settings with which a machine's command `aws` calls the test's account."""
    file = tmp_path / "settings.json"
    access = cloud.access
    values = {"endpoint": access.endpoint, "account": access.account, "region": access.region}
    file.write_text(json.dumps(values))
    monkeypatch.setattr(aws_command, "SETTINGS", str(file))
    return cloud


def aws(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = aws_command.main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_aws_reads_and_writes(
    settings: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.deploy({"It": resource("SSM::Parameter", Name="/it", Type="String", Value='{"a": 1}')})
    get = ("ssm", "get-parameter", "--name", "/it")
    whole = aws(capsys, *get, "--output", "json")
    assert json.loads(whole[1])["Parameter"]["Value"] == '{"a": 1}'
    query = ("--query", "Parameter.Value", "--output", "text")
    assert aws(capsys, *get, *query) == (0, '{"a": 1}\n', "")

    settings.client("s3").create_bucket(
        Bucket="local-it", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"0123456789")
    at = ("--bucket=local-it", "--key=some/key")
    assert aws(capsys, "s3api", "put-object", *at, f"--body={source}")[0] == 0
    assert aws(capsys, "s3api", "get-object", *at, "--range=bytes=0-3", str(target))[0] == 0
    assert target.read_bytes() == b"0123"
    assert aws(capsys, "s3", "cp", "--no-progress", "s3://local-it/some/key", str(target))[0] == 0
    assert target.read_bytes() == b"0123456789"

    data = [{"MetricName": "m", "Value": 2.0, "Dimensions": [{"Name": "n", "Value": "v"}]}]
    put = ("cloudwatch", "put-metric-data", "--namespace=N", f"--metric-data={json.dumps(data)}")
    assert aws(capsys, *put) == (0, "", "")
    metrics = settings.client("cloudwatch").list_metrics(Namespace="N")["Metrics"]
    assert metrics[0]["Dimensions"] == [{"Name": "n", "Value": "v"}]


def test_aws_names_the_error_as_the_aws_cli_does(
    settings: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, error = aws(capsys, "ssm", "get-parameter", "--name=/none")
    assert (code, output) == (254, "")
    expected = "An error occurred (ParameterNotFound) when calling the GetParameter operation:"
    assert expected in error
    signal = ("cloudformation", "signal-resource", "--stack-name=none", "--status=SUCCESS")
    code, _, error = aws(capsys, *signal, "--logical-resource-id=It", "--unique-id=1")
    assert code == 254
    assert "(ValidationError) when calling the SignalResource operation" in error
    code, _, error = aws(
        capsys, "s3api", "get-object", "--bucket=none", "--key=k", str(tmp_path / "f")
    )
    assert "(NoSuchBucket)" in error
    assert aws(capsys, "ec2", "describe-instances")[0] == 252
    assert settings.access.account


def test_haproxy_has_the_addresses_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_command, "_port", lambda port: port + 10_000 * (port < 1024))
    text = haproxy_command.rewritten(_FILE, "127.9.0.1", "127.9.0.2:5300")
    bound = [line.strip() for line in text.splitlines() if "bind" in line]
    assert bound == [
        "bind 127.9.0.1:9999 accept-proxy",
        "bind 127.9.0.1:10443 ssl crt /etc/haproxy/tls/server.pem",
        "bind 127.9.0.1:8404",
        "bind 10.0.0.1:1000",
    ]
    assert "nameserver local 127.9.0.2:5300" in text
    assert text.startswith("global\n    no strict-limits\n")
    # Without a DNS server of the local AWS, the file keeps its setting for name resolution.
    assert "parse-resolv-conf" in haproxy_command.rewritten(_FILE, "127.9.0.1", "")


@pytest.mark.parametrize("path", ["/usr/sbin/haproxy", "/opt/wheel/bin/haproxy"])
def test_haproxy_is_not_the_command_that_stands_for_it(tmp_path: Path, path: str) -> None:
    """The command must execute the real HAProxy; in place of /usr/sbin/haproxy is the command."""
    settings = Settings(
        id="i-1",
        folder=tmp_path,
        address="127.9.0.1",
        private_ip="10.0.0.1",
        endpoint="http://127.0.0.1:1",
        account="111122223333",
        region="eu-west-1",
        haproxy=path,
    )
    machine_files.prepare(settings, MachineRoot())
    shown = json.loads((tmp_path / "root/etc/local-aws.json").read_text())["haproxy"]
    sources = [
        source / Path(shown).relative_to(target)
        for source, target in machine_files.shared_folders(settings).items()
        if Path(shown).is_relative_to(target)
    ]
    assert [str(source) for source in sources] == [str(Path(path).parent.resolve() / "haproxy")]


def test_programs_reach_their_own_machine(tmp_path: Path) -> None:
    """The module that Python imports at each start replaces 127.0.0.1 by the machine's address."""
    settings = tmp_path / "etc/local-aws.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"address": "127.0.0.9", "private_ip": "10.0.0.4"}))
    (settings.parent / "hosts").write_text("127.0.0.9 manager.example.com # a comment\n")
    folder = Path(aws_command.__file__).parent
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(folder)!r}); import machine_network\n"
        f"machine_network.install({str(tmp_path)!r})\n"
    )
    program = (
        "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[0]);"
        "c = socket.create_connection(('127.0.0.1', s.getsockname()[1]), 60);"
        "print(c.getpeername()[0]); u = socket.socket(type=socket.SOCK_DGRAM);"
        "u.connect(('169.254.169.254', 80)); print(u.getsockname()[0]);"
        "print(socket.getaddrinfo('manager.example.com', 80)[0][4][0])"
    )
    output = _output(sys.executable, program, PYTHONPATH=str(tmp_path))
    assert output.split() == ["127.0.0.9", "127.0.0.9", "10.0.0.4", "127.0.0.9"]


_ROUND = """
import os, pathlib, pwd, shutil, subprocess, sys, tempfile
folder = pathlib.Path("/var/lib/denodo-node")
(folder / "a").mkdir(parents=True)
(folder / "a/file").write_text("written")
os.symlink("/var/lib/denodo-node/a", "/opt/current")
with open("/opt/current/file") as file, os.scandir("/var/lib/denodo-node") as entries:
    print(file.read(), [entry.name for entry in entries])
print(pathlib.Path("/etc/hosts").resolve() == pathlib.Path("/etc/hosts").absolute())
words = ["cat", "/var/lib/denodo-node/a/file"]
print(subprocess.run(words, capture_output=True, check=True, cwd="/opt").stdout)
print(pwd.getpwnam("denodo").pw_uid == os.geteuid())
print([name for name in os.listdir("/proc") if name.isdigit()] == [str(os.getpid())])
os.replace("/opt/current", "/opt/other")
shutil.rmtree("/var/lib/denodo-node")
print(os.path.lexists("/opt/other"), os.path.exists("/opt/other"))
"""


def test_programs_have_the_paths_of_a_machine_without_namespaces(tmp_path: Path) -> None:
    """Without namespaces, Python's file functions use the machine's folder as the root folder."""
    root = MachineRoot(tmp_path / "machine/root")
    settings = Settings("i-1", root.folder.parent, "127.0.0.9", "10.0.0.4", "", "1", "eu-west-1")
    assert machine_files.prepare(settings, root)
    output = _output(str(root.path("/opt/bin/python3")), _ROUND)
    assert output.splitlines() == [
        *("written ['a']", "False", "b'written'", "True", "True", "True False"),
    ]
    assert not Path("/opt/other").is_symlink()


def test_scripts_have_the_paths_of_a_machine_without_namespaces() -> None:
    script = first_boot_script(parameter="/denodo/test/main/node1", region="eu-west-1")
    root = "/home/user/machines/i-1/root"
    text = machine_paths.rewritten(script, root)
    assert f"folder={root}/opt/denodo-node\n" in text
    assert f"$(cat {root}/var/lib/cloud/data/instance-id 2>/dev/null)" in text
    assert f"PATH={root}/opt/bin:/usr/local/sbin:" in text
    assert "parameter='/denodo/test/main/node1'" in text
    assert text.startswith("#!/bin/sh\n")
    # A second rewrite does not add the machine's root folder to a path again, except in PATH.
    again = machine_paths.rewritten(text, root)
    assert again.count(f"{root}/opt/denodo-node") == text.count(f"{root}/opt/denodo-node")
    assert f"{root}{root}" not in again


def _output(python: str, program: str, **variables: str) -> str:
    done = subprocess.run(
        [python, "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
