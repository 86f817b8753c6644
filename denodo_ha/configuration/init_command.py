"""`denodo-ha init`: copy an example to a new configuration."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from denodo_ha.cli import configuration_choice, exit_codes
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.new_file import write_new
from denodo_ha.cli.output import print_line
from denodo_ha.environment.loading.configuration_file import DEFAULT, EXAMPLES

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_SCHEMA_LINE: Final = "# yaml-language-server: $schema="
_MARK: Final = "# yours"


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new file is config/NAME.yaml.")],
    *,
    example: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="EXAMPLE",
            help="The example to copy: the name of a file in config/examples/.",
            autocompletion=configuration_choice.complete_example,
        ),
    ] = DEFAULT,
) -> None:
    """Copy an example to config/NAME.yaml, and list the values that you must replace.

    An editor that reads the first line of the file completes and validates its keys.

        denodo-ha init prod --from active-active
    """
    root = configuration_choice.configuration_root()
    if not _NAME.fullmatch(name) or name.endswith((".pins", ".yaml", ".yml")):
        message = (
            f"{name} cannot be the NAME of the new file config/NAME.yaml; use letters, digits, - "
            "and _, without a folder and without .yaml"
        )
        raise UsageError(message)
    text = _example_text(root, example)
    new = root / "config" / f"{name}.yaml"
    write_new(new, text, _shown(new))
    print_line(f"{_shown(new)} is a copy of the example {example}. Replace these values:")
    print_line("")
    for line in yours(text):
        print_line(f"  {line}")
    print_line("")
    print_line(f"Then run: denodo-ha check -c {name}")
    raise typer.Exit(exit_codes.DONE)


def yours(text: str) -> Iterator[str]:
    """Yield `LINE: key: value` for each line of a configuration that is marked "yours".

    The line with the environment's name is marked too, because all stack names begin with it.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        content, mark, why = line.partition(_MARK)
        if mark or line.startswith("name:"):
            note = why.strip(": ")
            yield f"{number:3}: {content.strip()}{f'   ({note})' if note else ''}"


def _example_text(root: Path, example: str) -> str:
    """Return the text of an example, with the schema's path as a file in `config/` needs it."""
    folder = root / EXAMPLES
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if not known:
        message = f"there is no folder {_shown(folder)}: run this command in a clone of the project"
        raise UsageError(message)
    if example not in known:
        message = f"there is no example {example}; the examples are {', '.join(known)}"
        raise UsageError(message)
    text = (folder / f"{example}.yaml").read_text(encoding="utf-8")
    return text.replace(f"{_SCHEMA_LINE}../schema.json", f"{_SCHEMA_LINE}schema.json", 1)


def _shown(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
