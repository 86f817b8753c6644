"""The exports of a cluster's nodes: what there is, and since when the nodes differ.

An export is two objects of a versioned bucket: the metadata, and beside it what tells of it. The
second is written last and names the version of the first, so that it tells of whole exports only.
Its `digest` is over the metadata without comments and blank lines, which say when and by whom it
was exported: nodes with the same digest have the same metadata.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.environment.derived.node_metadata import EXPORT_MANIFEST


@dataclass(frozen=True, order=True)
class Export:
    """One export of one node.

    Attributes:
        at: when it was made.
        node: of which node.
        digest: tells one content from another.
        size: bytes.
        error: why what tells of it cannot be read.
    """

    at: datetime
    node: str
    digest: str
    size: int
    error: str = ""


@dataclass(frozen=True)
class Difference:
    """Whether nodes have the same metadata.

    Attributes:
        groups: nodes that have the same, by digest.
        since: from when on they were not all the same; None where they are.
        longer: whether they were so already when the oldest export that is kept was made.
    """

    groups: Mapping[str, tuple[str, ...]]
    since: datetime | None
    longer: bool = False


def read(aws: Aws, region: str, bucket: str) -> list[Export]:
    """Every export that is kept, the oldest first."""
    client = aws.client("s3", region)
    with translated_errors():
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
        versions = [one for page in pages for one in page.get("Versions", [])]
    ending = f"/{EXPORT_MANIFEST}"
    found = [one for one in versions if one["Key"].endswith(ending)]

    def one(version: Mapping[str, Any]) -> Export:
        node = str(version["Key"]).removesuffix(ending)
        with translated_errors():
            answer = client.get_object(
                Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"]
            )
            text = answer["Body"].read()
        return parse(node, text, version["LastModified"])

    return sorted(map_concurrently(one, found))


def parse(node: str, text: bytes, written: datetime) -> Export:
    """An export, from what tells of it."""
    try:
        data = json.loads(text)
        at = datetime.fromisoformat(data["at"]).astimezone(UTC)
        return Export(at, node, str(data["digest"]), int(data["size"]))
    except (KeyError, TypeError, ValueError) as error:
        return Export(written.astimezone(UTC), node, "", 0, f"{type(error).__name__}: {error}")


def newest(exports: Iterable[Export]) -> dict[str, Export]:
    """The newest export of each node."""
    return {one.node: one for one in sorted(exports)}


def compare(exports: Sequence[Export], nodes: Iterable[str]) -> Difference:
    """Compare nodes by their newest exports, and find when they parted.

    Args:
        exports: all that are kept.
        nodes: which nodes; those without an export are no part of it.
    """
    wanted = set(nodes)
    of = sorted(one for one in exports if one.node in wanted and not one.error)
    now = newest(of)
    groups: dict[str, list[str]] = {}
    for node, one in sorted(now.items()):
        groups.setdefault(one.digest, []).append(node)
    known = {digest: tuple(names) for digest, names in groups.items()}
    if len(known) < 2:
        return Difference(known, None)
    have: dict[str, str] = {}
    since, longer = None, True
    for one in of:
        have[one.node] = one.digest
        if len(have) < len(now):
            # Before every node had an export nothing can be said of all.
            continue
        if len(set(have.values())) == 1:
            since, longer = None, False
        elif since is None:
            since = one.at
    return Difference(known, since, longer)
