"""The names of the node in the hosts file.

The hosts file resolves these names to the node's own address. So a server that looks up its own
name needs neither the DNS record nor the load balancer, which do not exist yet at first boot. If
the RMI host of a node is the load balancer's name, the node's own connections to this name remain
on the node.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hosts.common import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_BEGIN = "# BEGIN denodo-node: written by the node program, do not edit"
_END = "# END denodo-node"
_BLOCK = re.compile(rf"^{_BEGIN}\r?\n(.*?)^{_END}(?:\r?\n|\Z)", re.MULTILINE | re.DOTALL)

_ENCODING = "latin-1"
"""Encoding with one character for each byte, so that bytes outside the program's own lines remain
unchanged."""


def node_names(state: State) -> list[str]:
    """Return the names that the hosts file must resolve to the node's own address."""
    names = (state.host, state.rmi_host, state.scheduler_rmi_host)
    return list(dict.fromkeys(name for name in names if name))


def with_names(system: System, names: Iterable[str]) -> str | None:
    """Return the new text of the hosts file with the node's names, None if nothing changes."""
    text = _text(system)
    block = f"{_BEGIN}\n{system.own_address} {' '.join(names)}\n{_END}\n"
    # Write the program's lines at the start of the file, because a lookup uses the first line that
    # has the name.
    changed = block + _BLOCK.sub("", text)
    return None if changed == text else changed


def names_in_file(system: System) -> list[str]:
    """Return the node's names that are in the hosts file now."""
    block = _BLOCK.search(_text(system))
    return block.group(1).split()[1:] if block else []


def write_names(system: System, names: Iterable[str]) -> bool:
    """Write the names of the node to the hosts file; return whether the file changed."""
    text = with_names(system, names)
    if text is None:
        return False
    files.replace(system.hosts, text.encode(_ENCODING), trusted=True)
    return True


def _text(system: System) -> str:
    try:
        return files.read(system.hosts).decode(_ENCODING)
    except FileNotFoundError:
        return ""
