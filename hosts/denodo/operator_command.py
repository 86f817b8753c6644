"""Commands of `denodo-ha` that a node's messages tell operators to run on their own machines.

A node knows its environment, cluster and region, but not the configuration file.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from hosts.denodo.configuration.environment_file import REGION

if TYPE_CHECKING:
    from hosts.denodo.state import State

_UNKNOWN_REGION = "REGION"


def operator_command(state: State, command: str, *arguments: str) -> str:
    """Return a command of denodo-ha that can be pasted into a shell.

    Args:
        state: the desired state of the node.
        command: the command, such as `catalog init`.
        arguments: its arguments and options, without those that choose the cluster.
    """
    choice = ["--cluster", state.cluster, "--environment", str(state.raw["environment"])]
    region = os.environ.get(REGION) or _UNKNOWN_REGION
    words = ["denodo-ha", *command.split(), *arguments, *choice, "--region", region]
    return " ".join(map(shlex.quote, words))
