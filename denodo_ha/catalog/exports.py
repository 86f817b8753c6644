"""Metadata exports of a cluster's nodes, and the time from which the nodes' metadata differs.

An export consists of two objects in a versioned bucket: the metadata and a manifest. The manifest
is written last and names the version of the metadata object, so each manifest describes a complete
export. The manifest's `digest` is calculated without comments and blank lines, because comments
contain the time and author of the export. Nodes with the same digest have the same metadata.

The manifest's `site_digest` also leaves out what differs between two correct sites
(`hosts/denodo/metadata/site_digest.py`). Manifests of earlier versions have neither this digest nor
the facts about the node; a fact that a manifest does not state is None, and means unknown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import NotFound
from denodo_ha.environment.derived.node_metadata import EXPORT_MANIFEST, HISTORY_PREFIX
from denodo_ha.environment.loading.bounded_document import parse_json_answer

Item = TypeVar("Item")


@dataclass(frozen=True, order=True)
class InstalledFile:
    """A driver or extension: folder below DENODO_HOME, file name, and SHA-256 of the content."""

    folder: str
    file: str
    sha256: str


@dataclass(frozen=True, order=True)
class Certificate:
    """A certificate that a node serves: common name, server that uses it, time of its expiry."""

    subject: str
    where: str
    not_after: datetime


@dataclass(frozen=True)
class LicenseManagerAnswer:
    """The License Manager that a node's servers use; `reason` says why it did not answer."""

    host: str
    port: int
    answered: bool
    reason: str


@dataclass(frozen=True)
class SiteFacts:
    """Facts that two sites must have in common to do the same work; None means unknown.

    Attributes:
        site_digest: digest of the metadata that must be the same at both sites.
        not_compared: patterns of elements that the digest leaves out; digests with different
            patterns cannot be compared.
        denodo_update: Denodo's version and update, as its export states them.
        program_version: release of the node program.
        encryption_key: SHA-256 of the file with the installation's encryption key; empty without
            such a file.
        files: drivers and extensions.
        certificates: certificates that the node serves.
        license_manager: the License Manager's answer; None also for a node with a licence file.
    """

    site_digest: str | None = None
    not_compared: tuple[str, ...] = ()
    denodo_update: str | None = None
    program_version: str | None = None
    encryption_key: str | None = None
    files: tuple[InstalledFile, ...] | None = None
    certificates: tuple[Certificate, ...] | None = None
    license_manager: LicenseManagerAnswer | None = None


@dataclass(frozen=True, order=True)
class Export:
    """One metadata export of one node.

    Attributes:
        at: time of the export.
        node: name of the node.
        digest: digest of the metadata, by which nodes with the same metadata are recognised.
        size: size of the metadata in bytes.
        error: why the manifest cannot be read; empty if it was read.
        site: the manifest's facts about the node that two sites must have in common.
    """

    at: datetime
    node: str
    digest: str
    size: int
    error: str = ""
    site: SiteFacts = field(default=SiteFacts(), compare=False)


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


def read_newest_manifests(aws: Aws, region: str, bucket: str) -> dict[str, Export]:
    """Return the newest export of each node, by name, from a bucket of exports or of copies.

    Only the current manifest of each node is read, so the duration depends neither on the number of
    exports nor on the history entries in the same bucket.
    """
    client = aws.client("s3", region)
    with translated_errors():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/")
        nodes = [
            str(prefix["Prefix"]).rstrip("/")
            for page in pages
            for prefix in page.get("CommonPrefixes", [])
            if prefix["Prefix"] != HISTORY_PREFIX
        ]

    def read_export(node: str) -> Export | None:
        try:
            with translated_errors():
                answer = client.get_object(Bucket=bucket, Key=f"{node}/{EXPORT_MANIFEST}")
                return parse_manifest(node, answer["Body"].read(), answer["LastModified"])
        except NotFound:
            return None

    exports = map_concurrently(read_export, nodes)
    return {export.node: export for export in exports if export is not None}


def parse_manifest(node: str, text: bytes, written: datetime) -> Export:
    """Return the export that a manifest describes."""
    try:
        data = parse_json_answer(text)
        at = datetime.fromisoformat(data["at"]).astimezone(UTC)
        return Export(at, node, str(data["digest"]), int(data["size"]), site=_read_site_facts(data))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return Export(written.astimezone(UTC), node, "", 0, f"{type(error).__name__}: {error}")


def _read_site_facts(data: Mapping[str, Any]) -> SiteFacts:
    """Return the facts of a manifest; a fact that is missing or not valid is None."""
    return SiteFacts(
        site_digest=_text_or_none(data, "site_digest"),
        not_compared=tuple(str(pattern) for pattern in _items(data, "not_compared") or ()),
        denodo_update=_text_or_none(data, "denodo_update"),
        program_version=_text_or_none(data, "program_version"),
        encryption_key=_text_or_none(data, "encryption_key", empty=""),
        files=_typed(data, "files", _installed_file),
        certificates=_typed(data, "certificates", _certificate),
        license_manager=_license_manager(data.get("license_manager")),
    )


def _text_or_none(data: Mapping[str, Any], key: str, *, empty: str | None = None) -> str | None:
    value = data.get(key)
    if not isinstance(value, str):
        return None
    return value or empty


def _items(data: Mapping[str, Any], key: str) -> list[Any] | None:
    value = data.get(key)
    return value if isinstance(value, list) else None


def _typed(
    data: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], Item]
) -> tuple[Item, ...] | None:
    """Return the items of the list at a key; None without a list or if an item is not valid."""
    items = _items(data, key)
    if items is None:
        return None
    try:
        return tuple(read(item) for item in items)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _installed_file(item: Mapping[str, Any]) -> InstalledFile:
    return InstalledFile(str(item["folder"]), str(item["file"]), str(item["sha256"]))


def _certificate(item: Mapping[str, Any]) -> Certificate:
    not_after = datetime.fromisoformat(item["not_after"]).astimezone(UTC)
    return Certificate(str(item["subject"]), str(item["where"]), not_after)


def _license_manager(value: object) -> LicenseManagerAnswer | None:
    if not isinstance(value, dict):
        return None
    try:
        return LicenseManagerAnswer(
            host=str(value["host"]),
            port=int(value["port"]),
            answered=value["answered"] is True,
            reason=str(value.get("reason", "")),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


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
