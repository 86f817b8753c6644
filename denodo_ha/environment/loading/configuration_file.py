"""The configuration file that `-c config=…` selects, in the CDK CLI and in every command."""

import stat
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path as File

from denodo_ha.environment.loading.problem import NO_POSITION, ConfigError, Problem

KEY = "config"
DEFAULT = "active-passive"
_SUFFIXES = (".yaml", ".yml")
EXAMPLES = File("config/examples")
_FOLDERS = (File("config"), EXAMPLES)


def configuration_choice(context: Mapping[str, object]) -> str:
    """Return the configuration that the CDK context selects, or the default.

    Raises:
        ConfigError: A context key resembles `config`. The CDK accepts unknown keys, so the default
            environment would be deployed instead of the intended environment.
    """
    for key in context:
        if key != KEY and get_close_matches(key.lower(), [KEY]):
            problem = Problem(
                (),
                f"{key} is an unknown context key",
                f"the key that selects the configuration is {KEY}, and the key {key} would be "
                "ignored",
                f"write -c {KEY}={context[key]}",
                file="-c",
                position=NO_POSITION,
            )
            raise ConfigError([problem])
    choice = context.get(KEY)
    # An empty choice is an error and not the default: the empty text may come from an unset shell
    # variable.
    return DEFAULT if choice is None else str(choice)


def choice_notice(context: Mapping[str, object], file: File) -> str:
    """Return the line that names the selected file.

    The CDK CLI drops an argument such as `-c prod` with a warning, and the default is used instead.
    """
    if context.get(KEY) is not None:
        return f"Configuration: {file}"
    return f"Configuration: {file}, the default; -c {KEY}=NAME selects another file"


def has_own_values(file: File, root: File) -> bool:
    """Return whether a file is not an example, and so must not contain values of the examples."""
    return file.resolve().parent != (root / EXAMPLES).resolve()


def find_configuration(choice: str, root: File) -> File:
    """Return the file that a path, or a name in `config/` or `config/examples/`, selects.

    Raises:
        ConfigError: The file does not exist.
    """
    if choice.endswith(_SUFFIXES) or "/" in choice:
        file = _expand_home(File(choice))
        if _is_file(file):
            return file
        if fault := _unusable(file):
            raise ConfigError([_unusable_file(choice, file, fault)])
        raise ConfigError([_not_found(choice, "the file does not exist", root)])
    for folder in _FOLDERS:
        for suffix in _SUFFIXES:
            file = _relative(root / folder / f"{choice}{suffix}")
            if _is_file(file):
                return file
            if fault := _unusable(file):
                raise ConfigError([_unusable_file(choice, file, fault)])
    tried = " nor ".join(str(folder / f"{choice}.yaml") for folder in _FOLDERS)
    raise ConfigError([_not_found(choice, f"neither {tried} is a file", root)])


def _expand_home(file: File) -> File:
    """Replace ~ or ~user by the home folder, if that folder exists."""
    try:
        return file.expanduser()
    except RuntimeError:
        return file


def _is_file(file: File) -> bool:
    """Return whether a path is a file; false if the path cannot exist."""
    try:
        return file.is_file()
    except OSError:
        return False


def _unusable(file: File) -> str:
    """Return why a path cannot be read as a file; empty if nothing exists at the path."""
    try:
        mode = file.stat().st_mode
    except PermissionError:
        return "your user is not allowed to search the folder of this file"
    except (OSError, ValueError):
        return ""
    return "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"


def _unusable_file(choice: str, file: File, fault: str) -> Problem:
    return Problem(
        (),
        f"{file} {fault}" if fault.startswith("is ") else f"{file}: {fault}",
        f"-c {KEY}= needs a YAML file",
        f"choose another file, or rename {file}",
        value=choice,
        file="-c config",
        position=NO_POSITION,
    )


def _relative(file: File) -> File:
    """Return a path below the current folder as a relative path, for shorter messages."""
    try:
        return file.resolve().relative_to(File.cwd())
    except ValueError:
        return file


def _not_found(choice: str, what: str, root: File) -> Problem:
    names = sorted(
        {
            file.stem
            for folder in _FOLDERS
            for file in (root / folder).glob("*")
            if file.suffix in _SUFFIXES and not file.stem.endswith(".pins")
        }
    )
    near = get_close_matches(choice, names, n=1)
    return Problem(
        (),
        what,
        f"-c {KEY}= needs a path, or the name of a file in config/ or config/examples/",
        f"did you mean {near[0]}?" if near else f"known names are {', '.join(names)}",
        value=choice,
        file="-c config",
        position=NO_POSITION,
    )
