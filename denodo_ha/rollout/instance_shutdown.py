"""Steps on a node that is out of service, before a deploy stops or replaces its instance.

EC2 gives an operating system only a few minutes to shut down, and then ends it (AWS, Amazon EC2
User Guide, "Methods for stopping an instance"). Queries that still run may need longer, up to
`denodo.stop_limit`. So Denodo's servers are stopped before the instance is stopped.
"""

from collections.abc import Mapping
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import AwsError, Failed, RequestRejected, Throttled, Unreachable
from denodo_ha.cli.progress import Progress, lasted
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.instances import read_instances
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.environment import names

SNAPSHOT_S: Final = 14_400
"""Project default: seconds that a snapshot may take; it "can take several hours to complete" (AWS,
Amazon EBS User Guide, "Create Amazon EBS snapshots")."""
_SNAPSHOT_EVERY_S: Final = 15
STOP_MARGIN_S: Final = 360
"""Project default: seconds that the node program may take beyond `stop_limit` to stop the servers;
the same margin as in the systemd unit of the servers."""
_START_S: Final = 60
_DRY_RUN: Final = "DryRunOperation"


class Snapshots:
    """Snapshots of the root volumes of a cluster's nodes.

    Args:
        aws: the credentials.
        environment: the environment's name.
        cluster: the cluster as it is deployed.
    """

    def __init__(self, aws: Aws, environment: str, cluster: Cluster) -> None:
        self._aws, self._environment, self._cluster = aws, environment, cluster
        self._client = aws.client("ec2", cluster.location.region)

    def require_permission(self, node: str) -> None:
        """Check that these credentials may create a snapshot of a node, without creating it.

        Raises:
            AwsError: AWS did not answer, or denied the call. Nothing was changed.
            Failed: The instance has no root volume.
        """
        try:
            with translated_errors():
                self._client.create_snapshot(**self._request(node, ""), DryRun=True)
        except RequestRejected as error:
            if _DRY_RUN not in str(error):
                raise

    def create(self, node: str, purpose: str) -> str:
        """Return the id of the snapshot of a node's root volume, after creating it if necessary.

        Snapshots are found by their purpose. So a run that continues a killed run finds the
        snapshot that the killed run has created.

        Args:
            node: name of the node.
            purpose: description of the snapshot.
        """
        request = self._request(node, purpose)
        filters = [
            {"Name": "volume-id", "Values": [request["VolumeId"]]},
            {"Name": "description", "Values": [purpose]},
            {"Name": "status", "Values": ["pending", "completed"]},
        ]
        with translated_errors():
            existing = self._client.describe_snapshots(OwnerIds=["self"], Filters=filters)
            for snapshot in existing["Snapshots"]:
                return str(snapshot["SnapshotId"])
            return str(self._client.create_snapshot(**request)["SnapshotId"])

    def wait(self, id_: str, *, timeout: float, clock: Clock, progress: Progress) -> None:
        """Wait until a snapshot is complete.

        Raises:
            Failed: EC2 reports an error of the snapshot, or the snapshot is not complete in time.
            AwsError: AWS did not answer, or denied a call.
        """

        def observe() -> Mapping[str, str]:
            with translated_errors():
                (snapshot,) = self._client.describe_snapshots(SnapshotIds=[id_])["Snapshots"]
                return {key: str(snapshot.get(key, "")) for key in ("State", "Progress")}

        with progress.step(f"snapshot {id_}") as step:
            try:
                snapshot = poll_until(
                    observe,
                    done=lambda snapshot: snapshot["State"] != "pending",
                    clock=clock,
                    timeout=timeout,
                    every=_SNAPSHOT_EVERY_S,
                    progress=lambda snapshot, passed: step.update(
                        f"{snapshot['State']} {snapshot['Progress']}{lasted(passed)}"
                    ),
                )
            except PollTimeout as late:
                message = f"the snapshot {id_} is not complete after {late.seconds:.0f} s"
                raise Failed(message) from None
        if snapshot["State"] != "completed":
            message = f"the snapshot {id_} ended with the state {snapshot['State']}"
            raise Failed(message)

    def _request(self, node: str, purpose: str) -> dict[str, object]:
        """Return the arguments of CreateSnapshot, with tags that the operators' policy requires."""
        instance_id = self._cluster.node(node).instance_id
        region = self._cluster.location.region
        instance = read_instances(self._aws, region, [instance_id]).get(instance_id)
        if instance is None or not instance.root_volume:
            message = (
                f"the instance {instance_id} of {node} has no root volume, so no snapshot can be "
                "created"
            )
            raise Failed(message)
        tags = {
            "Name": f"{self._cluster.stack.name}-{node}",
            names.ENVIRONMENT_TAG: self._environment,
            names.CLUSTER_TAG: self._cluster.name,
            names.NODE_TAG: node,
        }
        return {
            "VolumeId": instance.root_volume,
            "Description": purpose,
            "TagSpecifications": [
                {
                    "ResourceType": "snapshot",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        }


def stop_servers(agent: NodeAgent, node: str, stop_seconds: int, progress: Progress) -> str:
    """Stop Denodo's servers on a node.

    Return why the servers were not stopped, for example because the node does not answer; empty if
    they were stopped.

    Args:
        agent: runs the node program.
        node: name of the node.
        stop_seconds: seconds for which running queries may continue.
        progress: receives progress messages.
    """
    if not agent.offers("stop"):
        return "the cluster's SSM document is of an earlier version, without the action stop"
    try:
        with progress.step(f"{node}: stopping Denodo") as step:
            result = agent.run(
                node,
                "stop",
                timeout=stop_seconds + STOP_MARGIN_S,
                progress=lambda state, passed: step.update(f"{state}{lasted(passed)}"),
            )
    except (Failed, Throttled, Unreachable) as error:
        return str(error)
    return "" if result.code == node_agent.DONE else node_agent.explain_result(result)


def start_servers(agent: NodeAgent, node: str) -> str:
    """Start Denodo's servers on a node, if they do not run; do not wait until they are ready.

    Return why the servers were not started; empty if they were started.
    """
    if not agent.offers("start"):
        return ""  # without this action in the SSM document, no command has stopped the servers
    try:
        result = agent.run(node, "start", timeout=_START_S)
    except (Failed, AwsError) as error:
        return str(error)
    return "" if result.code == node_agent.DONE else node_agent.explain_result(result)
