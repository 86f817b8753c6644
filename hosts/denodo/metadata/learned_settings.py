"""Database settings that Denodo's own form has written on this node, for use on all nodes.

The keys differ between versions, and Denodo documents few of them. An operator configures the
database in the form of one node. Then this module reads the keys from the component's file, and
returns them as `catalog.settings` of the configuration. Placeholders replace the values that
`denodo-ha catalog init` decides, so that no login and no password leaves the node.

A value is returned only if its key is known to belong to a database. Of other keys in the same
group as the database's URL, only the names are returned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from hosts.common import files
from hosts.denodo.configuration import properties_file
from hosts.denodo.errors import StateError
from hosts.denodo.metadata import metadata_database
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hosts.denodo.state import State
    from hosts.denodo.system import System

COMPONENTS = ("scheduler", "data-catalog")
"""Components for which Denodo has a form to configure the database."""

_JDBC = "jdbc:"
_URL = "jdbc:postgresql:"
_OF_NODES = frozenset(
    f"org.quartz.{key}"
    for key in ("scheduler.instanceId", "jobStore.isClustered", "jobStore.clusterCheckinInterval")
)
"""Scheduler settings for a cluster, which are never written by Denodo's form."""
_KEYS_OF_FORM = frozenset(
    ("GenericEntityIdentifierRetriever/query", "JobReportRepositoryFactory/className")
)
"""Keys that the Scheduler's form writes besides the URL. In a new installation, their values name
Derby, the embedded database."""

_PASSWORD = re.compile(r"(?!.*encrypt).*(pass(word)?|pwd)", re.IGNORECASE)
_USER = re.compile(r".*(user|login)(-?name)?", re.IGNORECASE)
_HOST = re.compile(r".*(host|server|address)(-?name)?", re.IGNORECASE)
_PORT = re.compile(r".*port(-?number)?", re.IGNORECASE)
_DATABASE = re.compile(r".*(database|db|catalog)(-?name)?", re.IGNORECASE)
_HARMLESS = re.compile(
    r"driver|class|provider|dialect|platform|type|database|name|schema|pool|max|min|size|"
    r"time|idle|validat|test|query|cluster|delegate|instance|prefix|port|host|auto|version|plugin",
    re.IGNORECASE,
)
"""Words in the last part of a key that show that the value is not secret and may be shown."""
_SECRET = re.compile(r"pass|pwd|secret|token|credential|private|salt", re.IGNORECASE)
_FLAG = ("true", "false")
_NO_PASSWORD = ("", *_FLAG)
_PLACEHOLDERS = ("{url}", "{user}", "{password}", "{host}", "{port}", "{database}")
_LONGEST_KEY = 256
_LONGEST_VALUE = 1000
"""Maximum numbers of characters of a key and a value in `catalog.settings` of the configuration."""
_ADDED_TO_URL = frozenset(("user", "password", "ssl", "sslmode", "sslrootcert", "sslfactory"))
"""Parameters of a JDBC URL that `Learned.notes` does not mention, because the placeholder `{url}`
or other settings provide them."""


@dataclass
class Learned:
    """Database settings of one component, as Denodo's form has written them.

    Attributes:
        file: path of the component's file, relative to DENODO_HOME.
        configured: whether the file has the JDBC URL of a PostgreSQL database.
        entries: values that differ from the usual settings; None for a usual key that the file
            does not have.
        notes: what an operator should know, without values.
    """

    file: str
    configured: bool = False
    entries: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def report(system: System) -> dict[str, Any]:
    """Return the settings of each component whose file exists on this node, as JSON data.

    Raises:
        StateError: No state was applied on this node, so its DENODO_HOME is not known.
    """
    state = Record(system).applied
    if state is None:
        raise StateError(
            "no desired state was applied on this node yet: roll the node, then run the command "
            "again"
        )
    components = ((component, _learned(state, component)) for component in COMPONENTS)
    return {component: vars(learned) for component, learned in components if learned is not None}


def _learned(state: State, component: str) -> Learned | None:
    options = state.catalog.get(component)
    file = options.file if options is not None and options.file else None
    path = Path(file) if file else metadata_database.FILES[component]
    try:
        text = files.read(state.home / path).decode(properties_file.ENCODING)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Learned(str(path), notes=[f"{path} cannot be read: {error.strerror}"])
    return learn(component, state.version, str(path), text)


def learn(component: str, version: str, file: str, text: str) -> Learned:
    """Return the database settings in the text of a component's configuration file."""
    learned = Learned(file)
    usual = metadata_database.entries(component, {}, version)
    try:
        values = properties_file.values(text)
    except properties_file.FormatError as error:
        learned.notes.append(f"{file}: {error}")
        return learned
    urls = {key: value.strip() for key, value in values.items() if _is_url(value)}
    if urls:
        learned.configured = True
        _learn(learned, usual, values, urls)
    else:
        learned.notes.append(
            f"{file} has no JDBC URL of PostgreSQL: configure the database with Denodo's form on "
            "this node, then run the command again"
        )
    return learned


def _learn(
    learned: Learned, usual: Mapping[str, str], values: Mapping[str, str], urls: Mapping[str, str]
) -> None:
    groups = tuple(group for group in map(_group, urls) if group)
    secrets = {
        value.strip()
        for key, value in values.items()
        if _SECRET.search(key) and value.strip().lower() not in _NO_PASSWORD
    }
    for key, value in values.items():
        if key in _OF_NODES or not (
            key in usual
            or key in _KEYS_OF_FORM
            or key.startswith(groups)
            or (key in urls or "postgres" in value.lower())
        ):
            continue
        template = _template(key, value.strip(), next(iter(urls.values())))
        shown = template if template not in _PLACEHOLDERS else ""
        if template is None or any(secret in str(shown) for secret in secrets):
            learned.notes.append(
                f"{key} is left out, because the value may be secret or has a form that the"
                f" configuration cannot contain: check whether {key} is a setting of the database"
            )
        elif template != usual.get(key):
            learned.entries[key] = template
    for key in usual:
        if key not in values and key not in _OF_NODES:
            learned.entries[key] = None
    learned.notes += _notes_of_urls(urls)


def _template(key: str, value: str, url: str) -> str | None:
    """Return the value of a setting with placeholders; None if the value must not be shown."""
    if placeholder := _placeholder(_last(key), value, url):
        return placeholder
    hidden = _SECRET.search(key) or not (_HARMLESS.search(_last(key)) or key in _KEYS_OF_FORM)
    unusable = "{" in value or not value.isprintable() or value.startswith(("encrypted:", _JDBC))
    if hidden or unusable or len(value) > _LONGEST_VALUE or len(key) > _LONGEST_KEY:
        return None
    return value


def _placeholder(name: str, value: str, url: str) -> str:
    """Return the placeholder for a value that `denodo-ha catalog init` decides; else empty.

    Args:
        name: the last part of the key.
        value: the value.
        url: the JDBC URL in the file.
    """
    if _is_url(value):
        return "{url}"
    if name.lower().endswith("encrypted") and value.lower() in _FLAG:
        # The node program writes this setting's password unencrypted, so the flag that says whether
        # it is encrypted must be false.
        return "false"
    parts = _parts(url)
    for pattern, placeholder, part in (
        (_PASSWORD, "{password}", value),
        (_USER, "{user}", value),
        (_HOST, "{host}", parts.hostname),
        (_PORT, "{port}", parts.netloc.rpartition(":")[2]),
        (_DATABASE, "{database}", parts.path.strip("/")),
    ):
        if part and value == part and pattern.fullmatch(name):
            return placeholder
    return ""


def _notes_of_urls(urls: Mapping[str, str]) -> Iterator[str]:
    for key, url in urls.items():
        names = {name for name, _ in parse_qsl(_parts(url).query)} - _ADDED_TO_URL
        if names:
            yield f"{key}: {{url}} does not contain the parameters {', '.join(sorted(names))}"


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url[len(_JDBC) :])
    except ValueError:  # the URL is malformed, such as an unclosed bracket
        return urlsplit("")


def _is_url(value: str) -> bool:
    return value.strip().lower().startswith(_URL)


def _group(key: str) -> str:
    """Return a key up to its last separator; keys that belong together have the same group."""
    return key[: len(key) - len(_last(key))]


def _last(key: str) -> str:
    return re.split(r"[./]", key)[-1]
