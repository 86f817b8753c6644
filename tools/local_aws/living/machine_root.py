"""The root folder of a machine, as its processes see it.

With namespaces the root folder is `/`. Where the system denies namespaces, the root folder is a
folder of this system, and the paths in scripts, units and Python programs are rewritten
(`commands/machine_paths.py`).
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.local_aws.living.commands import machine_paths

LIVING = Path(__file__).parent


@dataclass(frozen=True)
class MachineRoot:
    """The root folder of a machine.

    Attributes:
        folder: `/`, or the folder that stands for it.
    """

    folder: Path = Path("/")

    @property
    def is_rewritten(self) -> bool:
        """Return whether the paths in scripts, units and programs are rewritten."""
        return self.folder != Path("/")

    def path(self, path: str) -> Path:
        """Return this system's path for a path of the machine."""
        return self.folder / path.lstrip("/")

    def text(self, text: str) -> str:
        """Return a script, or a unit's command, with the paths of this system."""
        if not self.is_rewritten:
            return text
        return machine_paths.rewritten(text, str(self.folder), (sys.base_prefix, str(LIVING)))

    def end_with(self) -> None:
        """Without namespaces, let Python programs of the machine end when this process ends."""
        if self.is_rewritten:
            pipe = self.path(machine_paths.ALIVE)
            os.mkfifo(pipe)
            # The pipe stays open until this process ends.
            os.open(pipe, os.O_RDWR)
