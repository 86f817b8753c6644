"""Site digest: a hash of the metadata that is equal on nodes that do the same work at two sites.

The digest leaves out what may differ between two correct sites:

- secrets, because the installation's key encrypts them, and the time and author in comments;
- statistics of views (`VIEWSTATSUMMARY`), which each node gathers itself;
- the cache data sources, which are configured for each cluster (Denodo, Solution Manager
  Administration Guide, "Considerations for Deployments");
- values that belong to an environment: connection details of data sources, and server properties.
  Only their names are part of the digest. Denodo exports these values separately too (Denodo,
  Virtual DataPort Administration Guide, "Exporting the Server Metadata");
- the elements that the desired state names (`exports.not_compared`).

Denodo does not document the order of elements in an export, so the digest does not depend on the
order. The texts come from outside this project, so each text is read in one pass, up to a limit.
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
"""Project default: size in bytes above which an export is not read; real exports have a few MiB."""
MOST_LABEL = 200
"""Maximum number of characters of an element's label (`DATABASE/TYPE NAME`)."""

_RULES = "rules 1"
"""Part of the hashed text of each digest, so that digests made by different rules are never
equal."""

_TOKEN = re.compile(
    r"#[^\n]*|'[^']*(?:'|\Z)(?:'[^']*(?:'|\Z))*|\"[^\"]*(?:\"|\Z)|[=(),;]|[^\s'\"#=(),;]+"
)
"""Token of VQL: a comment, a text, a quoted name, a separator, or a word. A quote in a text is
doubled, so a text with quotes is a sequence of texts. No alternative can match in two ways, so
matching takes linear time."""

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
"""Keywords after ROUTE, which describe how a data source reads its file. The texts between the
keywords are addresses and paths, which are not part of the digest."""
_HEADER = re.compile(r"\s*# Generated with Denodo Platform ([0-9][A-Za-z0-9 ._-]{0,60})")
_HEADER_BYTES = 200
_SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|ACCESS_?KEY")


@dataclass(frozen=True)
class Statement:
    """Statement that is part of the site digest.

    Attributes:
        label: `DATABASE/TYPE NAME` of the element, without values.
        parts: the statement's words, texts and separators; `'?'` stands for a value that the digest
            leaves out.
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
    """Yield the statements that are part of the site digest; none if the text is too large.

    Args:
        text: the export.
        not_compared: patterns of labels to leave out, such as `sales/DATASOURCE JDBC test_*`.
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
    """Return the differences between the elements of two exports by label, without any value."""
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
    """Return type and name of an element: the statement's words before a separator or text."""
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
    """Yield the parts of a statement, with `'?'` for secrets and for values of the environment."""
    if head[0] == "SET":
        # The statement sets a server property: keep the property's name, and replace the value.
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
        # A secret has the form `KEY 'value'`, `KEY = 'value'` or `'key' = 'value'`. A text without
        # `=` after it is not a key, so literals of a view are not taken for secrets.
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
    """Return the last keyword before the first difference between statements of two exports.

    A keyword is never a value, so the result reveals no secret.
    """
    word = "its beginning"
    for first, second in zip(before, after):
        for left, right in zip((*first, ""), (*second, "")):
            if left != right:
                return word
            if _KEYWORD.fullmatch(left):
                word = left
    return word


def installed_update(text: bytes) -> str:
    """Return the version and update in the header of an export; empty if the header has none.

    The header is `# Generated with Denodo Platform 8.0 update 20230301.`, or `… 9.1.3.`.
    """
    match = _HEADER.match(text[:_HEADER_BYTES].decode("utf-8-sig", "replace"))
    return match[1].rstrip(".") if match else ""
