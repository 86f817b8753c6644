"""Search for the configuration that the option `-c` names, as `cdk -c config=…` does.

A name without a path is searched in the folders `config/` and `config/examples/` of the clone that
this package is part of. If pip has installed the package without a clone, these folders are
searched in the current folder.
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
    """Return the folder whose `config/` is searched for a configuration's name."""
    return clone_folder() or Path.cwd()


def load_configuration(choice: str, *, deploying: bool = True) -> Loaded:
    """Load the configuration that a path or a name selects; `config=NAME` is accepted, as by cdk.

    Args:
        choice: the path or name.
        deploying: True if stacks are created from the configuration; see
            `denodo_ha.environment.loading.loader`.

    Raises:
        ConfigError: The file does not exist, or its configuration has errors.
    """
    # Imported only in this function, because the import takes 0.2 s of CPU time and shell
    # completion does not need the loader.
    from denodo_ha.environment.loading.loader import load  # noqa: PLC0415 - slow to import

    return load(configuration_path(choice), deploying=deploying)


def configuration_path(choice: str) -> Path:
    """Return the configuration file for a path or a name.

    Raises:
        ConfigError: The file does not exist.
    """
    return configuration_file.find_configuration(choice.removeprefix(_PREFIX), configuration_root())


def complete_configuration(prefix: str) -> list[str]:
    """Return the names of configurations that begin with a prefix, for shell completion."""
    return _names(prefix, "config", "config/examples")


def complete_example(prefix: str) -> list[str]:
    """Return the names of examples that begin with a prefix, for shell completion."""
    return _names(prefix, "config/examples")


def _names(prefix: str, *folders: str) -> list[str]:
    names = {
        path.stem
        for folder in folders
        for path in (configuration_root() / folder).glob("*.yaml")
        if not path.stem.endswith(".pins")
    }
    return sorted(name for name in names if name.startswith(prefix))
