"""Help texts, and the option --json of every command that has --format json."""

from itertools import pairwise

from denodo_ha.cli import exit_codes
from tests.commands.conftest import Run
from tests.support.program_commands import command_functions, parsed_commands

CHECK = ("check", "-c", "active-passive")


def test_help_fits_the_terminal(denodo_ha: Run) -> None:
    """Help has at most 80 columns, no line breaks of the source code, and flags without values."""
    names = [[], *(name.split() for name, _ in command_functions())]
    for name in names:
        shown = denodo_ha(*name, "--help", env={"COLUMNS": "80"}).stdout
        assert max(map(len, shown.splitlines())) <= 80, name
        assert "<bool>" not in shown, name
        # A paragraph continues on the next line only if its next word does not fit on the line.
        text = shown.partition("╭")[0]
        for paragraph in text.split(f"{' ' * 80}\n"):
            lines = [line.strip() for line in paragraph.splitlines()]
            is_prose = not any(line.startswith("  ") for line in paragraph.splitlines())
            assert len(lines) < 2 or not lines[0].startswith("denodo-ha "), lines
            for line, following in pairwise(lines if is_prose else []):
                assert len(f" {line} {following.split()[0]} ") > 79, (name, line)


def test_values_of_options_have_names() -> None:
    """The help shows no Python type, and it shows the default of each option with a default."""
    for name, command in parsed_commands():
        for parameter in command.params:
            assert parameter.metavar is not None, (name, parameter.opts)
            assert "<" not in parameter.metavar, (name, parameter.opts)
            has_default = parameter.default not in (None, False, (), [], "")
            if has_default and parameter.param_type_name == "option":
                assert parameter.show_default, (name, parameter.opts)


def test_json_is_an_option_wherever_it_is_a_format() -> None:
    with_json = set()
    for name, command in parsed_commands():
        options = {option: each for each in command.params for option in each.opts}
        formats = options["--format"].metavar.split("|") if "--format" in options else []
        assert ("--json" in options) == ("json" in formats), name
        if "--json" in options:
            assert options["--json"].help == "The same as --format json.", name
            with_json.add(name)
    assert {"status", "plan", "drill", "failover check", "review", "catalog status"} < with_json


def test_json_means_the_format(denodo_ha: Run) -> None:
    expected = denodo_ha(*CHECK, "--format", "json").stdout
    assert expected.startswith("{")
    assert denodo_ha(*CHECK, "--json").stdout == expected
    assert denodo_ha(*CHECK, "--json", "--format", "json").stdout == expected
    assert denodo_ha(*CHECK).stdout != expected


def test_json_excludes_another_format(denodo_ha: Run) -> None:
    for arguments in (("--json", "--format", "table"), ("--format", "table", "--json")):
        done = denodo_ha(*CHECK, *arguments, env={"COLUMNS": "100"})
        assert done.exit_code == exit_codes.USAGE
        assert "--json and --format table exclude each other" in done.stderr
