"""The configuration that `-c` names, chosen as `cdk -c config=…` chooses it."""

from pathlib import Path

from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import Loaded, load

ROOT = Path(__file__).parents[2]
_PREFIX = f"{configuration_file.KEY}="


def load_configuration(choice: str, *, deploying: bool = True) -> Loaded:
    """The configuration of a path or a name; `config=NAME`, as cdk has it, is understood too.

    Args:
        choice: the path or name.
        deploying: whether it is for stacks, see `denodo_ha.environment.loading.loader`.

    Raises:
        ConfigError: there is no such file, or it cannot be used.
    """
    return load(configuration_path(choice), deploying=deploying)


def configuration_path(choice: str) -> Path:
    """The file of a path or a name.

    Raises:
        ConfigError: there is no such file.
    """
    return configuration_file.find(choice.removeprefix(_PREFIX), ROOT)


def complete_configuration(begun: str) -> list[str]:
    """The names that begin so, for the shell."""
    names = {
        path.stem
        for folder in ("config", "config/examples")
        for path in (ROOT / folder).glob("*.yaml")
        if not path.stem.endswith(".pins")
    }
    return sorted(name for name in names if name.startswith(begun))
