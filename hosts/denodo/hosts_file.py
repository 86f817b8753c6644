"""The node's names in the hosts file.

They lead to the node's own address, so that a server that asks for its own name needs neither
DNS nor the balancer, which do not exist yet at first boot; and a 7.0 node that is sent on to its
RMI host stays with itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hosts.denodo import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_BEGIN = "# BEGIN denodo-node: written by the node program, do not edit"
_END = "# END denodo-node"
_BLOCK = re.compile(rf"^{_BEGIN}\n(.*?)^{_END}\n", re.MULTILINE | re.DOTALL)


def names(state: State) -> list[str]:
    """The names that the node itself answers to."""
    return list(dict.fromkeys((state.host, state.rmi_host)))


def wanted(system: System, names: Iterable[str]) -> str | None:
    """The file as it should be, None if it is so already."""
    text = system.hosts.read_text() if system.hosts.exists() else ""
    block = f"{_BEGIN}\n{system.own_address} {' '.join(names)}\n{_END}\n"
    # First in the file, because the first line that has a name wins.
    result = block + _BLOCK.sub("", text)
    return None if result == text else result


def known(system: System) -> list[str]:
    """The names that the file's block has."""
    found = _BLOCK.search(system.hosts.read_text()) if system.hosts.exists() else None
    return found.group(1).split()[1:] if found else []


def write(system: System, names: Iterable[str]) -> bool:
    """Bring the block up to date; tells whether anything changed."""
    text = wanted(system, names)
    if text is None:
        return False
    files.replace(system.hosts, text.encode())
    return True
