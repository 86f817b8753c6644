"""The files of an HAProxy instance: as deployed, and as adapted to this machine.

The deployed files are those that the instance's program would install: the configuration file in
Amazon S3 and the certificates in Secrets Manager, which the desired state in the SSM parameter
names. An adapted ("shifted") configuration file has the loopback address of the instance, paths in
a folder of the rehearsal, the DNS server of the VPC, and intervals of checks that are divided by
the pace.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.environment import names
from denodo_ha.environment.haproxy.config_file import Host
from denodo_ha.environment.model.environment import Environment
from hosts.haproxy.desired_state import DesiredState
from tools.local_aws.credentials import Access
from tools.local_aws.living.commands.haproxy_command import rewritten

CONFIG, CERTIFICATE, AUTHORITY = "haproxy.cfg", "tls/server.pem", "tls/nodes-ca.pem"
"""Paths of HAProxy's files, relative to the folder of an HAProxy instance."""
_HOST = Host()
_FOLDERS = (_HOST.folder, _HOST.run, _HOST.state.rpartition("/")[0])
_PRIVILEGES = re.compile(r"^    (?:user|group|chroot) .*\n", re.MULTILINE)
_SERVER = re.compile(r"^(    server (\S+) )(\S+)(:\d+.*)$", re.MULTILINE)
_TIME = re.compile(r"\b(inter|fastinter|timeout check) (\d+)(ms|s)\b")
_LEAST_MS: Mapping[str, int] = {"inter": 500, "fastinter": 100, "timeout check": 500}
"""Project default: smallest intervals and time-outs in milliseconds at a high pace. More frequent
checks would use more of this machine than the clients, and answers of the light nodes take real
time."""


@dataclass(frozen=True)
class HaproxyFiles:
    """The deployed files of a cluster's HAProxy instances.

    Attributes:
        config: the configuration file.
        certificate: certificate and key for clients; empty without TLS.
        authority: the certificates that verify the nodes; empty without TLS to the nodes.
    """

    config: str
    certificate: str = ""
    authority: str = ""


@dataclass(frozen=True)
class Shift:
    """Values of this machine that replace values of a deployed configuration file.

    Attributes:
        address: loopback address of the instance.
        folder: folder of the instance's files and sockets.
        name_server: host and port of the DNS server of the instance's VPC.
        nodes: loopback addresses of the cluster's nodes, by name.
        pace: AWS seconds per real second.
    """

    address: str
    folder: Path
    name_server: str
    nodes: Mapping[str, str]
    pace: float


def deployed_files(environment: Environment, cluster: str, access: Access) -> HaproxyFiles:
    """Return the files that the deployed stack of a cluster names."""
    parameter = names.haproxy_parameter(environment.name, cluster)
    answer = access.client("ssm").get_parameter(Name=parameter)
    state = DesiredState.parse(answer["Parameter"]["Value"])
    bucket, _, key = state.file.removeprefix("s3://").partition("/")
    config = access.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    certificate, authority = (
        access.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        if arn
        else ""
        for arn in (state.certificate, state.authority)
    )
    return HaproxyFiles(config, certificate, authority)


def write_files(files: HaproxyFiles, shift: Shift) -> None:
    """Write an HAProxy instance's files, adapted to this machine, into the instance's folder."""
    contents = {
        CONFIG: shifted(files.config, shift),
        CERTIFICATE: files.certificate,
        AUTHORITY: files.authority,
    }
    for name, text in contents.items():
        file = shift.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)


def shifted(config: str, shift: Shift) -> str:
    """Return a deployed configuration file, adapted to this machine by the values of `shift`."""

    def server(match: re.Match[str]) -> str:
        # A host without `resolvers` is a name that only the site's own DNS or hosts file knows.
        is_followed = " resolvers " in match[4]
        host = match[3] if is_followed else shift.nodes.get(match[2], match[3])
        return f"{match[1]}{host}{match[4]}"

    def time(match: re.Match[str]) -> str:
        deployed = int(match[2]) * (1 if match[3] == "ms" else 1000)
        real = max(round(deployed / shift.pace), min(deployed, _LEAST_MS[match[1]]))
        return f"{match[1]} {real}ms"

    text = rewritten(config, shift.address, shift.name_server)
    for folder in _FOLDERS:
        text = text.replace(f"{folder}/", f"{shift.folder}/")
    text = _PRIVILEGES.sub("", text).replace(f" group {_HOST.group} level ", " level ")
    # The resolver of this system does not know the names of the private zone.
    text = text.replace("init-addr last,libc,none", "init-addr last,none")
    return _TIME.sub(time, _SERVER.sub(server, text))
