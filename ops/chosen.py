"""The configuration that `-c` names, chosen as `cdk -c config=…` chooses it."""

from pathlib import Path

from config import choose
from config.load import Loaded, load

ROOT = Path(__file__).parent.parent
_PREFIX = f"{choose.KEY}="


def chosen(choice: str, *, deploying: bool = True) -> Loaded:
    """The configuration of a path or a name; `config=NAME`, as cdk has it, is understood too.

    Args:
        choice: the path or name.
        deploying: whether it is for stacks, see `config.load`.

    Raises:
        ConfigError: there is no such file, or it cannot be used.
    """
    return load(file(choice), deploying=deploying)


def file(choice: str) -> Path:
    """The file of a path or a name.

    Raises:
        ConfigError: there is no such file.
    """
    return choose.find(choice.removeprefix(_PREFIX), ROOT)


def complete(begun: str) -> list[str]:
    """The names that begin so, for the shell."""
    names = {
        file.stem
        for folder in ("config", "config/examples")
        for file in (ROOT / folder).glob("*.yaml")
        if not file.stem.endswith(".pins")
    }
    return sorted(name for name in names if name.startswith(begun))
