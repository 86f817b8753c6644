"""The configuration that `-c` names, found as `cdk -c config=…` finds it.

A bare name is looked up in `config/` and `config/examples/` of the clone that this package is part
of; if pip has installed the package without a clone, in those of the current folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from denodo_ha.environment.loading import configuration_file

if TYPE_CHECKING:
    from denodo_ha.environment.loading.loader import Loaded

_PACKAGE_PARENT = Path(__file__).parents[2]
_PREFIX = f"{configuration_file.KEY}="


def clone_folder() -> Path | None:
    """Return the folder of the clone that this package is part of, None if there is no clone."""
    files = (_PACKAGE_PARENT / "cdk.json", _PACKAGE_PARENT / "config")
    return _PACKAGE_PARENT if all(file.exists() for file in files) else None


def configuration_root() -> Path:
    """Return the folder in which a bare name of a configuration is looked up."""
    return clone_folder() or Path.cwd()


def load_configuration(choice: str, *, deploying: bool = True) -> Loaded:
    """Load the configuration of a path or a name; `config=NAME`, as cdk has it, works as well.

    Args:
        choice: the path or name.
        deploying: True if stacks are made from it, see `denodo_ha.environment.loading.loader`.

    Raises:
        ConfigError: The file does not exist, or its configuration has errors.
    """
    # Imported here: the loader takes 0.2 s of CPU, and completion does not load any file.
    from denodo_ha.environment.loading.loader import load  # noqa: PLC0415

    return load(configuration_path(choice), deploying=deploying)


def configuration_path(choice: str) -> Path:
    """Return the file of a path or a name.

    Raises:
        ConfigError: The file does not exist.
    """
    return configuration_file.find_configuration(choice.removeprefix(_PREFIX), configuration_root())


def complete_configuration(prefix: str) -> list[str]:
    """Return the names of configurations that begin with a prefix, for the shell."""
    names = {
        path.stem
        for folder in ("config", "config/examples")
        for path in (configuration_root() / folder).glob("*.yaml")
        if not path.stem.endswith(".pins")
    }
    return sorted(name for name in names if name.startswith(prefix))
