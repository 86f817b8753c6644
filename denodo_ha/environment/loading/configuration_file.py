"""Which configuration a command means: `-c config=…`, the same everywhere."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path as File

from denodo_ha.environment.loading.problem import NOWHERE, ConfigError, Problem

KEY = "config"
DEFAULT = "active-passive"
_SUFFIXES = (".yaml", ".yml")


def chosen(context: Mapping[str, object]) -> str:
    """The configuration that CDK's context names, or the default.

    Raises:
        ConfigError: a context key that is nearly, but not, the one that is read. CDK lets unknown
            keys pass, and the default environment would be deployed instead of the one meant.
    """
    for key in context:
        if key != KEY and get_close_matches(key.lower(), [KEY]):
            raise ConfigError(
                [
                    Problem(
                        (),
                        f"unknown context key {key}",
                        f"the configuration is chosen with {KEY}, and nothing would read this",
                        f"write -c {KEY}={context[key]}",
                        file="-c",
                        at=NOWHERE,
                    )
                ]
            )
    choice = context.get(KEY)
    # Nothing after `config=` is no choice either: a shell's variable may be unset.
    return DEFAULT if choice is None else str(choice)


def find(choice: str, root: File) -> File:
    """The file of a choice: a path, or a name in `config/`, else in `config/examples/`.

    Raises:
        ConfigError: there is no such file.
    """
    if choice.endswith(_SUFFIXES) or "/" in choice:
        file = _home(File(choice))
        if _is_file(file):
            return file
        raise ConfigError([_missing(choice, "there is no such file", root)])
    folders = (File("config"), File("config/examples"))
    for folder in folders:
        for suffix in _SUFFIXES:
            if _is_file(root / folder / f"{choice}{suffix}"):
                return _short(root / folder / f"{choice}{suffix}")
    tried = " nor ".join(str(folder / f"{choice}.yaml") for folder in folders)
    raise ConfigError([_missing(choice, f"neither {tried} is a file", root)])


def _home(file: File) -> File:
    """The file, with ~ or ~user in front replaced where it means a folder."""
    try:
        return file.expanduser()
    except RuntimeError:
        return file


def _is_file(file: File) -> bool:
    """Whether it is one, as far as one can see."""
    try:
        return file.is_file()
    except OSError:
        return False


def _short(file: File) -> File:
    """The file as seen from where we are, if it is below: messages are shorter."""
    try:
        return file.resolve().relative_to(File.cwd())
    except ValueError:
        return file


def _missing(choice: str, what: str, root: File) -> Problem:
    names = sorted(
        {
            file.stem
            for folder in ("config", "config/examples")
            for file in (root / folder).glob("*")
            if file.suffix in _SUFFIXES and not file.stem.endswith(".pins")
        }
    )
    near = get_close_matches(choice, names, n=1)
    return Problem(
        (),
        what,
        f"-c {KEY}= takes a path, or a name of config/ or config/examples/",
        f"did you mean {near[0]}?" if near else f"known names are {', '.join(names)}",
        value=choice,
        file="-c config",
        at=NOWHERE,
    )
