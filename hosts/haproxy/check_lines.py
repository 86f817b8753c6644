"""Configuration lines that define the health check of each server.

HAProxy does not report how it checks a server. So the program compares the lines of the old and the
new configuration, without spaces and comments. If lines differ in a way that does not affect the
check, HAProxy only checks the server once more than necessary.
"""

from __future__ import annotations

import re

SECTIONS = frozenset(
    {
        *("defaults", "global", "backend", "listen", "frontend", "userlist", "peers", "mailers"),
        *("resolvers", "cache", "http-errors", "ring", "log-forward", "program", "fcgi-app"),
        *("namespace_list", "spoe-agent", "spoe-group", "spoe-message", "crt-store", "traces"),
    }
)
"""Keywords that begin a section (HAProxy, Configuration Manual, Configuration file format)."""
_CHECK = re.compile(
    r"(no )?option (\S+-check|httpchk)\b|(http|tcp|external)-check |timeout (check|connect) "
    r"|default-server |server-template "
)
_OTHER = re.compile(r" ((weight|cookie|maxconn|minconn|maxqueue|slowstart) \S+|backup\b)")
"""Options of a `server` line that have no effect on the health check of the server."""


def check_lines(config: bytes) -> dict[str, tuple[str, ...]]:
    """Return the lines that define the health check of each server, by `backend/server`.

    For a section that inherits from a section `defaults`, the lines of `defaults` are included.
    """
    named: dict[str, list[str]] = {}
    last: list[str] = []
    common: list[str] = []
    servers: dict[str, tuple[str, list[str]]] = {}
    kind = backend = ""
    for words in map(_words, config.decode(errors="replace").splitlines()):
        if words and words[0] in SECTIONS:
            kind, backend = words[0], words[1] if len(words) > 1 else ""
            inherited = named.get(words[3], []) if words[2:3] == ["from"] else last
            common = [*(inherited if kind != "defaults" or words[2:3] == ["from"] else [])]
            if kind == "defaults":
                last = named[backend] = common
        elif kind in ("backend", "listen") and words[:1] == ["server"] and len(words) > 1:
            servers[f"{backend}/{words[1]}"] = (" ".join(words), common)
        elif _CHECK.match(f"{' '.join(words)} "):
            common.append(" ".join(words))
    return {id_: (*lines, _OTHER.sub("", line)) for id_, (line, lines) in servers.items()}


def _words(line: str) -> list[str]:
    words = line.split()
    comment = next((place for place, word in enumerate(words) if word.startswith("#")), None)
    return words[:comment]
