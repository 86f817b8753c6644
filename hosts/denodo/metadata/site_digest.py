"""Site digest: a hash of the metadata that is equal on nodes that do the same work at two sites.

The digest leaves out what differs between two correct sites:

- secrets, because the installation's key encrypts them, and the time and author in comments;
- statistics of views (`VIEWSTATSUMMARY`), which each node gathers itself;
- the cache data sources, which are configured for each cluster (Denodo, Solution Manager
  Administration Guide, "Considerations for Deployments");
- values that belong to an environment, of which only the names count: connection details of data
  sources, and server properties. Denodo exports them separately too (Denodo, Virtual DataPort
  Administration Guide, "Exporting the Server Metadata");
- the elements that the desired state names (`exports.not_compared`).

No page of Denodo promises the order of elements in an export, so the order does not count. VQL is
written by others: each text is read in one pass, and only up to a limit.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_BYTES = 64 * 2**20
"""Project default: size above which a text is not read; real exports have a few MiB."""
MOST_LABEL = 200
"""Maximum number of characters of an element's label."""

_RULES = "rules 1"
"""Part of every digest: digests by other rules differ, so that they are not taken for equal."""

_TOKEN = re.compile(
    r"#[^\n]*|'[^']*(?:'|\Z)(?:'[^']*(?:'|\Z))*|\"[^\"]*(?:\"|\Z)|[=(),;]|[^\s'\"#=(),;]+"
)
"""A comment, a text, a quoted name, a separator, or a word. A quote in a text is doubled, so a text
with quotes is a sequence of texts; no alternative can match in two ways."""

_KEYWORD = re.compile(r"[A-Za-z_]{1,40}")
_VALUE = "'?'"
_VERBS = ("CREATE", "ALTER", "DROP", "SET")
_FILLERS = ("OR", "REPLACE", "IF", "NOT", "EXISTS")
_WITH_SUBTYPE = (
    *("DATASOURCE", "WRAPPER", "LISTENER", "INTERFACE", "MATERIALIZED", "REST", "SOAP", "CUSTOM"),
)
_STATISTICS = "VIEWSTATSUMMARY"
_CACHE_DATA_SOURCES = ("vdpcachedatasource", "customvdpcachedatasource")
"""Names of the cache data sources (Denodo, Virtual DataPort Administration Guide, "Data
Movement")."""
_SESSION = ("ENTER", "EXIT", "CLOSE")
_CONNECTED = ("DATASOURCE", "LISTENER")
"""Types of elements whose connection details belong to an environment."""
_CONNECTION = frozenset(
    {
        *("DATABASEURI", "USERNAME", "DOMAIN", "URI", "URL", "HOST", "HOSTNAME", "PORT", "SERVER"),
        *("SERVERNAME", "SYSTEMNAME", "CLIENTID", "WSDLURI", "ENDPOINT", "LOGIN", "DSN", "PATH"),
    }
)
_ROUTE = "ROUTE"
_ROUTES = frozenset(
    {
        *("HTTP", "LOCAL", "FTP", "SFTP", "FTPS", "S3", "HDFS", "ABFS", "ADL", "WASB", "GS", "ENV"),
        *("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OBJECT_STORAGE"),
    }
)
"""Words within a route; the texts between them are addresses and paths."""
_HEADER = re.compile(r"\s*# Generated with Denodo Platform ([0-9][A-Za-z0-9 ._-]{0,60})")
_HEADER_BYTES = 200
_SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|ACCESS_?KEY")


@dataclass(frozen=True)
class Statement:
    """Statement that counts.

    Attributes:
        label: `DATABASE/TYPE NAME` of the element, without values.
        parts: the statement's words, texts and separators; `'?'` stands for a value that does not
            count.
    """

    label: str
    parts: tuple[str, ...]


def site_digest(text: bytes, not_compared: Sequence[str] = ()) -> str:
    """Return the site digest of an export; empty if the text has no element or is too large."""
    hashes = sorted(
        hashlib.sha256("\0".join((statement.label, *statement.parts)).encode()).digest()
        for statement in statements(text, not_compared)
    )
    if not hashes:
        return ""
    return hashlib.sha256(b"".join([_RULES.encode(), *hashes])).hexdigest()


def statements(text: bytes, not_compared: Sequence[str] = ()) -> Iterator[Statement]:
    """Yield the statements that count; none if the text is too large.

    Args:
        text: the export.
        not_compared: patterns of labels that do not count, such as `sales/DATASOURCE JDBC test_*`.
    """
    if len(text) > MOST_BYTES:
        return
    database = ""
    for parts in _split(text.decode("utf-8-sig", "replace")):
        head = [part.upper() for part in parts[:8]]
        if head[:2] == ["CONNECT", "DATABASE"] and len(parts) > 2:
            database = parts[2].strip('"')
        elif head[0] not in _SESSION and not _belongs_to_node(parts, head):
            label = f"{database}/{_name(parts)}"[:MOST_LABEL]
            if not any(
                fnmatch.fnmatchcase(label.lower(), pattern.lower()) for pattern in not_compared
            ):
                yield Statement(label, tuple(_without_values(parts, head)))


def differences(first: Iterable[Statement], second: Iterable[Statement]) -> dict[str, str]:
    """Return how the elements of two exports differ, by label; never with a value."""
    before, after = _by_label(first), _by_label(second)
    return {
        label: _difference(before.get(label, []), after.get(label, []))
        for label in sorted({*before, *after})
        if before.get(label) != after.get(label)
    }


def _split(text: str) -> Iterator[list[str]]:
    parts: list[str] = []
    for match in _TOKEN.finditer(text):
        part = match[0]
        if part[0] == "#":
            continue
        if part != ";":
            parts.append(part)
        elif parts:
            yield parts
            parts = []
    if parts:
        yield parts


def _belongs_to_node(parts: Sequence[str], head: Sequence[str]) -> bool:
    if _STATISTICS in head[:5]:
        return True
    return "DATASOURCE" in head[:4] and any(
        part.strip('"').lower() in _CACHE_DATA_SOURCES for part in parts[:8]
    )


def _name(parts: Sequence[str]) -> str:
    """Return type and name of the element: the words before the first separator or text."""
    words = list(parts)
    verb = words.pop(0).upper()
    if verb == "SET":
        return f"SET {words[0]}" if words else verb
    if verb not in _VERBS:
        return verb
    while words and words[0].upper() in _FILLERS:
        words.pop(0)
    count = 3 if words and words[0].upper() in _WITH_SUBTYPE else 2
    name: list[str] = []
    for word in words:
        if word in ("=", "(", ")", ",") or word[0] == "'" or len(name) == count:
            break
        if word.upper() not in _FILLERS:
            name.append(word)
    return " ".join(name) or verb


def _without_values(parts: Sequence[str], head: Sequence[str]) -> Iterator[str]:
    """Yield the parts, with `'?'` for secrets and for values of the environment."""
    if head[0] == "SET":
        # A server property: its name counts, and no value.
        yield from (*parts[:2], _VALUE)
        return
    connected = any(word in _CONNECTED for word in head[:4])
    is_view = any(word in ("VIEW", "TABLE") for word in head[:5])
    key, in_route = "", False
    for position, part in enumerate(parts):
        following = parts[position + 1].upper() if position + 1 < len(parts) else ""
        word, is_text = part.upper(), part[0] == "'"
        if part == "=":
            yield part
            continue
        if word == _ROUTE and connected:
            in_route = True
        elif in_route and not is_text and word not in _ROUTES:
            in_route = False
        named = bool(key) and (is_text or parts[position - 1] == "=") and part not in "(),"
        is_value = named or (is_text and (following == "ENCRYPTED" or in_route))
        yield _VALUE if is_value else part
        # `KEY 'value'`, `KEY = 'value'` and `'key' = 'value'`; a view's literals are not secrets.
        may_name = not is_text or following == "="
        secret = not is_view and _SECRET.search(word)
        connection = connected and word.strip("'\"") in _CONNECTION
        key = word if may_name and (secret or connection) else ""


def _by_label(found: Iterable[Statement]) -> dict[str, list[tuple[str, ...]]]:
    labels: dict[str, list[tuple[str, ...]]] = {}
    for statement in found:
        labels.setdefault(statement.label, []).append(statement.parts)
    return {label: sorted(parts) for label, parts in labels.items()}


def _difference(before: Sequence[tuple[str, ...]], after: Sequence[tuple[str, ...]]) -> str:
    if not before or not after:
        return "is only in the second export" if after else "is only in the first export"
    if len(before) != len(after):
        return f"has {len(before)} statements in the first export, {len(after)} in the second"
    return f"differs after {_word_before_difference(before, after)}"


def _word_before_difference(
    before: Sequence[tuple[str, ...]], after: Sequence[tuple[str, ...]]
) -> str:
    """Return the last keyword before the first difference, which is never a value."""
    word = "its beginning"
    for first, second in zip(before, after):
        for left, right in zip((*first, ""), (*second, "")):
            if left != right:
                return word
            if _KEYWORD.fullmatch(left):
                word = left
    return word


def installed_update(text: bytes) -> str:
    """Return the version and update in an export's header, empty if it does not state them.

    The header is `# Generated with Denodo Platform 8.0 update 20230301.`, or `… 9.1.3.`.
    """
    match = _HEADER.match(text[:_HEADER_BYTES].decode("utf-8-sig", "replace"))
    return match[1].rstrip(".") if match else ""
