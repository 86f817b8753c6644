"""Import of a metadata export into a drained node, also of a copy of another cluster's export.

    ExportImport(context).run("node1", source)

If a copied export has not arrived completely, the node waits for it: S3 does not promise the order
in which the copies of a manifest and of its metadata arrive.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog.exports import read_newest_manifests
from denodo_ha.cli.errors import Failed, NotFound, Refused
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.instances import read_instance
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import ClusterOperation
from denodo_ha.deployed.stack import read_stack
from denodo_ha.environment import names
from denodo_ha.environment.derived.node_metadata import EXPORT_MANIFEST
from denodo_ha.environment.full_command import full_command

ACTION: Final = "import-export"
IMPORT_S: Final = 5400
"""Project default: seconds for an import (up to an hour) and for a copy to arrive (15 minutes)."""


@dataclass(frozen=True)
class ExportSource:
    """The bucket from which a node imports an export.

    Attributes:
        cluster: the cluster whose exports the bucket has.
        bucket: the bucket, in the region of the importing node.
        is_copy: whether the bucket has copies from another region.
    """

    cluster: str
    bucket: str
    is_copy: bool


def find_source(
    aws: Aws, site: EnvironmentLocation, location: StackLocation, source: str | None
) -> ExportSource:
    """Return the bucket with a cluster's exports in the region of the importing node.

    Nothing is read from another region, which may be lost.

    Args:
        aws: the credentials.
        site: the environment.
        location: the cluster of the importing node.
        source: the cluster whose export is imported; None: the node's own cluster.

    Raises:
        Refused: The node's region has no bucket with exports of this cluster.
    """
    is_copy = source is not None and source != location.name
    cluster = source if source is not None else location.name
    if is_copy:
        stack_name = names.export_copy_stack(site.environment, cluster)
        output = names.EXPORT_COPY_BUCKET
        remedy = f"add `exports.copy` to the configuration of {cluster}, and deploy"
    else:
        stack_name = names.catalog_stack(site.environment, cluster)
        output = names.EXPORT_BUCKET
        remedy = f"add `exports` to the configuration of {cluster}, and deploy"
    try:
        bucket = read_stack(aws, replace(location, stack=stack_name)).outputs.get(output)
    except NotFound:
        bucket = None
    if bucket is None:
        message = (
            f"{stack_name} in {location.region} has no bucket of exports of {cluster}: {remedy}; "
            "nothing was changed"
        )
        raise Refused(message)
    return ExportSource(cluster, bucket, is_copy)


@dataclass(frozen=True)
class ImportPlan:
    """An import that can be made now.

    Attributes:
        node: the node that imports.
        of: the node that made the export.
        at: time of the export.
        uri: S3 address of the export's manifest.
    """

    node: str
    of: str
    at: datetime
    uri: str


class ExportImport(ClusterOperation):
    """Import of an export into a drained node, under the cluster's lock."""

    def plan(self, node: str, source: ExportSource) -> ImportPlan:
        """Return the import that `run` would make now.

        Raises:
            Refused: The node is not drained, there is no export, or the deployed SSM document
                lacks the action `import-export`: it is too old, or the cluster has no exports.
            UsageError: There is no such node.
        """
        return self._plan(read_cluster(self._aws, self._location), node, source)

    def run(self, node: str, source: ExportSource) -> ImportPlan:
        """Import the newest export into a node, and return the import that was made.

        Raises:
            UsageError: There is no such node.
            Refused: As for `plan`, or another operation holds the lock. Nothing was changed.
            Failed: The node could not import. The message says which state remains.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The command was interrupted. The message says which state remains.
        """
        with self._reported(), self._locked(f"import an export into {node}") as lock:
            cluster = read_cluster(self._aws, self._location)
            plan = self._plan(cluster, node, source)
            lock.prove()
            self._state_left = (
                f"{node} may be importing {plan.uri}, and stays drained; run the same command "
                "again to repeat the import"
            )
            self._note(node, before="drained, with its metadata")
            self._import(cluster, plan)
            self._note(node, after=f"drained, with the metadata of {plan.uri}")
        return plan

    def _plan(self, cluster: Cluster, node: str, source: ExportSource) -> ImportPlan:
        instance_id = cluster.node(node).instance_id
        self._agent(cluster).require_action(ACTION)
        instance = read_instance(self._aws, self._location.region, instance_id, self._clock)
        if instance is None or DrainTag.from_tags(instance.tags) is None:
            drain = full_command("drain", node, cluster=cluster.name)
            message = (
                f"{node} is not drained, and an import changes what clients of {node} see: run "
                f"`{drain}`, then run the same command again. Nothing was changed"
            )
            raise Refused(message)
        exports = read_newest_manifests(self._aws, self._location.region, source.bucket)
        readable = {name: export for name, export in exports.items() if not export.error}
        if not source.is_copy:
            # Each node has its own prefix in the bucket, and may read only keys with this prefix.
            readable = {name: export for name, export in readable.items() if name == node}
        if not readable:
            whose = source.cluster if source.is_copy else node
            message = (
                f"the bucket {source.bucket} has no export of {whose} yet: nodes export at the "
                "interval `exports.every`, and a copy arrives within about 15 minutes. Nothing was "
                "changed"
            )
            raise Refused(message)
        newest = max(readable.values())
        uri = f"s3://{source.bucket}/{newest.node}/{EXPORT_MANIFEST}"
        return ImportPlan(node, newest.node, newest.at, uri)

    def _import(self, cluster: Cluster, plan: ImportPlan) -> None:
        with self._progress.step(f"{plan.node}: importing {plan.uri}") as step:
            result = self._agent(cluster).run(
                plan.node,
                ACTION,
                timeout=IMPORT_S,
                export=plan.uri,
                progress=lambda state, passed: step.update(f"{state} ({passed:.0f} s)"),
            )
        if result.code != node_agent.DONE:
            message = (
                f"{plan.node} did not import {plan.uri}: {node_agent.explain_result(result)}. "
                f"{plan.node} stays drained"
            )
            raise Failed(message)
