"""Metadata exports of a cluster's nodes, and the time from which the nodes' metadata differs.

An export consists of two objects in a versioned bucket: the metadata and a manifest. The manifest
is written last and names the version of the metadata object, so each manifest describes a complete
export. The manifest's `digest` is calculated without comments and blank lines, because comments
contain the time and author of the export. Nodes with the same digest have the same metadata.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.environment.derived.node_metadata import EXPORT_MANIFEST
from denodo_ha.environment.loading.bounded_document import parse_json_answer


@dataclass(frozen=True, order=True)
class Export:
    """One metadata export of one node.

    Attributes:
        at: time of the export.
        node: name of the node.
        digest: digest of the metadata; the same for the same metadata.
        size: size of the metadata in bytes.
        error: why the manifest cannot be read; empty if it was read.
    """

    at: datetime
    node: str
    digest: str
    size: int
    error: str = ""


@dataclass(frozen=True)
class Difference:
    """The comparison of the nodes' metadata.

    Attributes:
        groups: the nodes that have the same metadata, by digest.
        since: time from which the metadata was not the same on all nodes; None if it is the same
            now.
        longer: True if the nodes already differed in the oldest kept exports, so that the
            difference may have begun before `since`.
    """

    groups: Mapping[str, tuple[str, ...]]
    since: datetime | None
    longer: bool = False


def read_exports(aws: Aws, region: str, bucket: str) -> list[Export]:
    """Return every export in the bucket, the oldest first."""
    client = aws.client("s3", region)
    suffix = f"/{EXPORT_MANIFEST}"
    with translated_errors():
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
        versions = [version for page in pages for version in page.get("Versions", [])]
        manifests = [version for version in versions if version["Key"].endswith(suffix)]

    def read_export(version: Mapping[str, Any]) -> Export:
        node = str(version["Key"]).removesuffix(suffix)
        with translated_errors():
            answer = client.get_object(
                Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"]
            )
            text = answer["Body"].read()
        return parse_manifest(node, text, version["LastModified"])

    return sorted(map_concurrently(read_export, manifests))


def parse_manifest(node: str, text: bytes, written: datetime) -> Export:
    """Return the export that a manifest describes."""
    try:
        data = parse_json_answer(text)
        at = datetime.fromisoformat(data["at"]).astimezone(UTC)
        return Export(at, node, str(data["digest"]), int(data["size"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return Export(written.astimezone(UTC), node, "", 0, f"{type(error).__name__}: {error}")


def newest_exports(exports: Iterable[Export]) -> dict[str, Export]:
    """Return the newest export of each node."""
    return {export.node: export for export in sorted(exports)}


def compare(exports: Sequence[Export], nodes: Iterable[str]) -> Difference:
    """Compare the nodes' newest exports, and find the time from which they differ.

    Args:
        exports: all exports in the bucket.
        nodes: names of the nodes to compare; a node without a readable export is left out.
    """
    compared = set(nodes)
    readable = sorted(export for export in exports if export.node in compared and not export.error)
    newest = newest_exports(readable)
    groups: dict[str, list[str]] = {}
    for node, export in sorted(newest.items()):
        groups.setdefault(export.digest, []).append(node)
    nodes_by_digest = {digest: tuple(names) for digest, names in groups.items()}
    if len(nodes_by_digest) < 2:
        return Difference(nodes_by_digest, None)
    digests: dict[str, str] = {}
    since, longer = None, True
    for export in readable:
        digests[export.node] = export.digest
        if len(digests) < len(newest):
            # The nodes can be compared only from the time at which every node has an export.
            continue
        if len(set(digests.values())) == 1:
            since, longer = None, False
        elif since is None:
            since = export.at
    return Difference(nodes_by_digest, since, longer)
