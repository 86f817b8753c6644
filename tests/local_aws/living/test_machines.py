"""Machines run the programs of instances: user data, units, documents, and Denodo's servers."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import ref, resource
from tests.support import local_aws_server
from tests.support.local_aws_server import quiet
from tests.support.waiting import until
from tools.local_aws import server_process
from tools.local_aws.emulator.child_processes import start_time
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.living import isolation
from tools.local_aws.paths import Paths

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not isolation.is_allowed(), reason="this system denies namespaces to users"),
]

_HOME = "/opt/denodo"
_USER_DATA = """\
#!/bin/sh
instance=$(cat /var/lib/cloud/data/instance-id)
cat > /etc/systemd/system/counted.service <<END
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo boot >> /var/lib/boots'
END
cat > /etc/systemd/system/denodo.service <<END
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/opt/denodo/bin/regenerateFiles.sh
ExecStart=/opt/denodo/bin/vqlserver_startup.sh
END
systemctl enable counted denodo && systemctl start counted denodo
aws cloudformation signal-resource --stack-name one --logical-resource-id It \
    --unique-id "$instance" --status SUCCESS
"""
_DOCUMENT = {
    "schemaVersion": "2.2",
    "parameters": {"Word": {"type": "String"}},
    "mainSteps": [
        {
            "action": "aws:runShellScript",
            "name": "run",
            "inputs": {"runCommand": ["echo {{ Word }} $(cat /var/lib/boots)"]},
        }
    ],
}

_RMI_HELLO = bytes.fromhex("4a524d4900024b")
_RMI_LIST = bytes(6) + bytes.fromhex("50aced00057722") + bytes(22)
_RMI_LIST += bytes.fromhex("0000000144154dc9d4e63bdf")
"""The rest of a client's greeting of RMI, with an empty address, and then the call `list` of a
registry (Java RMI specification)."""


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Paths]]:
    """Return an account of a server of its own, in which instances run their programs."""
    local_aws_server.set_up()
    paths = Paths(folder=tmp_path_factory.mktemp("living") / "local")
    server = server_process.start(paths, quiet, parent=os.getpid())
    cloud = Cloud(server.endpoint, local_aws_server.new_account())
    cloud.call("living", {"nodes": True}, "PUT")
    yield cloud, paths
    server_process.stop(paths)


@pytest.fixture(scope="module")
def instance(living: tuple[Cloud, Paths]) -> str:
    """Return an instance with Denodo 7.0, which has signalled that it is ready."""
    cloud, _ = living
    denodo = {"version": "7.0", "home": _HOME, "user": "denodo"}
    contents = {"denodo": denodo, "managers": {"sm.example.com": [10091]}}
    cloud.give({"kind": "image", "id": templates.IMAGE, "contents": contents})
    policy = {"ResourceSignal": {"Count": 1, "Timeout": "PT5M"}}
    node = templates.node(UserData={"Fn::Base64": _USER_DATA})
    template = {
        **templates.network(),
        "It": {**node, "CreationPolicy": policy},
        "Group": templates.group(ref("It"), HealthCheckIntervalSeconds=5),
        "Nlb": templates.balancer(),
        "Listener": templates.listener(),
        "Document": resource(
            "SSM::Document", Name="local-run", DocumentType="Command", Content=_DOCUMENT
        ),
    }
    return str(cloud.deploy(template).ids["It"])


def run(cloud: Cloud, instance: str, word: str) -> dict[str, Any]:
    """Run the document `local-run` on an instance, once the instance's SSM agent has registered."""
    ssm = cloud.client("ssm")
    until(lambda: cloud.call("stand-ins")[instance].get("commands") != "never")
    sent = ssm.send_command(
        DocumentName="local-run", InstanceIds=[instance], Parameters={"Word": [word]}
    )
    about = {"CommandId": sent["Command"]["CommandId"], "InstanceId": instance}
    until(lambda: ssm.get_command_invocation(**about)["Status"] != "InProgress")
    return dict(ssm.get_command_invocation(**about))


def answers(cloud: Cloud, owner: str, port: int) -> bool:
    """Return whether a server of an instance or a manager accepts connections."""
    with suppress(OSError), socket.create_connection(endpoint(cloud, owner, port), 60):
        return True
    return False


def endpoint(cloud: Cloud, owner: str, port: int) -> tuple[str, int]:
    found = cloud.call(f"endpoints/{owner}/{port}")
    return found["address"], found["port"]


def act(cloud: Cloud, instance: str, action: str, **more: Any) -> None:
    cloud.call(f"machines/{instance}", {"action": action, **more}, "PUT")


def test_programs_run_and_end(living: tuple[Cloud, Paths], instance: str) -> None:
    cloud, paths = living
    assert (paths.folder / "machines" / instance / "root/etc/hosts").exists()
    assert run(cloud, instance, "hello")["StandardOutputContent"] == "hello boot\n"
    assert answers(cloud, instance, 9999)

    act(cloud, instance, "close-port", port=9996)
    until(lambda: not answers(cloud, instance, 9996))
    act(cloud, instance, "open-port", port=9996)
    until(lambda: answers(cloud, instance, 9996))

    act(cloud, instance, "kill-server")
    until(lambda: not answers(cloud, instance, 9999))
    assert run(cloud, instance, "still")["StandardOutputContent"] == "still boot\n"

    cloud.client("ec2").reboot_instances(InstanceIds=[instance])
    until(lambda: answers(cloud, instance, 9999))
    assert run(cloud, instance, "again")["StandardOutputContent"] == "again boot boot\n"

    act(cloud, instance, "kill")
    until(lambda: not answers(cloud, instance, 9999))
    act(cloud, instance, "start")
    until(lambda: answers(cloud, instance, 9999))

    cloud.client("ec2").stop_instances(InstanceIds=[instance])
    until(lambda: not answers(cloud, instance, 9999))
    cloud.client("ec2").start_instances(InstanceIds=[instance])
    until(lambda: answers(cloud, instance, 9999))


def test_clients_see_denodo(living: tuple[Cloud, Paths], instance: str) -> None:
    cloud, _ = living
    until(lambda: answers(cloud, instance, 9996))
    # PostgreSQL: start-up without TLS, then a query, which returns the node's name.
    with socket.create_connection(endpoint(cloud, instance, 9996), 60) as session:
        session.sendall(bytes.fromhex("0000000804d2162f"))
        assert session.recv(1) == b"N"
        session.sendall(bytes.fromhex("0000000800030000"))
        assert session.recv(4096).startswith(b"R")
        session.sendall(b"Q\0\0\0\x0dselect 1\0")
        assert instance.encode() in session.recv(4096)


def test_machines_reach_managers(living: tuple[Cloud, Paths], instance: str) -> None:
    cloud, paths = living
    hosts = (paths.folder / "machines" / instance / "root/etc/hosts").read_text().splitlines()
    assert any(line.endswith(" sm.example.com") for line in hosts)
    assert answers(cloud, "sm.example.com", 10091)
    lost = cloud.call("managers/sm.example.com", {"answers": False}, "PUT")
    assert lost == {"sm.example.com": False}
    assert not answers(cloud, "sm.example.com", 10091)
    cloud.call("managers/sm.example.com", {"answers": True}, "PUT")
    assert answers(cloud, "sm.example.com", 10091)
    with pytest.raises(LocalAwsError, match=r"no machine uses .* Manager other; .* use: sm\."):
        cloud.call("managers/other", {"answers": False}, "PUT")


def test_a_group_replaces_a_lost_instance(living: tuple[Cloud, Paths]) -> None:
    cloud = living[0].of(account=local_aws_server.new_account())
    cloud.give({"kind": "image", "id": templates.IMAGE})
    data = {"ImageId": templates.IMAGE, "InstanceType": "m5.xlarge"}
    version = templates.attribute("Template", "LatestVersionNumber")
    group = resource(
        "AutoScaling::AutoScalingGroup",
        MinSize="1",
        MaxSize="2",
        VPCZoneIdentifier=[ref("A")],
        LaunchTemplate={"LaunchTemplateId": ref("Template"), "Version": version},
    )
    cloud.deploy(
        {
            **templates.network(),
            "Template": resource("EC2::LaunchTemplate", LaunchTemplateData=data),
            "Group": group,
        }
    )
    client, ec2 = cloud.client("autoscaling"), cloud.client("ec2")

    def instances() -> list[str]:
        (described,) = client.describe_auto_scaling_groups()["AutoScalingGroups"]
        return [item["InstanceId"] for item in described["Instances"]]

    (first,) = instances()
    ec2.terminate_instances(InstanceIds=[first])
    until(lambda: len(instances()) == 1 and instances() != [first])


def test_java_and_postgresql_serve_after_a_reboot(
    living: tuple[Cloud, Paths], instance: str
) -> None:
    """Keep this test before the last test, so that the last test also ends Java and PostgreSQL."""
    cloud, _ = living
    address = cloud.call("machines")[instance]["address"]
    cloud.call("living", {"jvm": True}, "PUT")
    cloud.client("ec2").reboot_instances(InstanceIds=[instance])
    until(lambda: is_java(address))
    until(lambda: answers(cloud, instance, 9996))
    with psycopg.connect(host=address, port=9996, user="admin", dbname="admin") as session:
        assert session.execute("SELECT node FROM node").fetchone() == (instance,)

    act(cloud, instance, "close-port", port=9996)
    until(lambda: not answers(cloud, instance, 9996))
    assert is_java(address)
    act(cloud, instance, "open-port", port=9996)
    until(lambda: answers(cloud, instance, 9996))

    act(cloud, instance, "kill-server")
    until(lambda: not answers(cloud, instance, 9999) and not answers(cloud, instance, 9996))
    cloud.client("ec2").reboot_instances(InstanceIds=[instance])
    until(lambda: is_java(address))


def is_java(address: str) -> bool:
    """Return whether the registry of Java RMI on port 9999 is the management agent of Java."""
    with suppress(OSError), socket.create_connection((address, 9999), 60) as connection:
        connection.sendall(_RMI_HELLO)
        connection.recv(100)
        connection.sendall(_RMI_LIST)
        return b"jmxrmi" in connection.recv(4096)
    return False


def test_a_killed_server_leaves_no_process_and_starts_all_again(
    living: tuple[Cloud, Paths], instance: str
) -> None:
    """Keep this test the last of the module: it ends the server and starts another server."""
    cloud, paths = living
    record = paths.server_record()
    assert record is not None
    until(lambda: answers(cloud, instance, 9999))
    below = [int(item.name) for item in Path("/proc").glob("[0-9]*") if _is_in(item, paths)]
    assert len(below) > 1
    assert cloud.call("checkpoint", method="POST") == {"written": True}
    os.kill(record["pid"], signal.SIGKILL)
    until(lambda: not any(start_time(pid) for pid in below))

    server_process.start(paths, quiet, parent=os.getpid())
    until(lambda: instance in cloud.call("machines"))
    until(lambda: answers(cloud, instance, 9999))
    assert "boot boot" in run(cloud, instance, "it")["StandardOutputContent"]


def _is_in(process: Path, paths: Paths) -> bool:
    """Return whether a process has a machine's folder as its root or in its command line."""
    machines = str(paths.folder / "machines")
    with suppress(OSError):
        command = (process / "cmdline").read_bytes().decode(errors="replace")
        return machines in str((process / "root").readlink()) or machines in command
    return False
