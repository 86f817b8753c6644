"""`denodo-ha check`: validate a configuration, without the CDK and without AWS."""

from pathlib import Path

import typer

from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_json, print_line, print_message
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError, Problem, Severity


def check(
    *,
    config: options.Config = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Validate a configuration and its pins file, without the CDK and without any AWS call.

    The errors and warnings are those of cdk synth, with their lines. Errors give exit code 2.
    Warnings and notes give exit code 0. Each ends with its name; the key `accept` turns off the
    warnings and notes that it names.

        denodo-ha check -c prod
    """
    if config is None:
        raise UsageError(
            "no configuration is named: add -c CONFIG (a path, or the name of a file in config/)"
        )
    file = configuration_choice.configuration_path(config)
    try:
        problems = list(load(file, placeholders=_has_own_values(file)).findings)
    except ConfigError as error:
        problems = list(error.problems)
    problems.sort(key=lambda problem: (problem.file, problem.position, problem.path))
    has_errors = any(problem.severity is Severity.ERROR for problem in problems)
    if form is options.TableFormat.json:
        print_json({"file": str(file), "valid": not has_errors, "findings": _rows(problems)})
    else:
        _print(file, problems, has_errors=has_errors)
    raise typer.Exit(exit_codes.USAGE if has_errors else exit_codes.DONE)


def _has_own_values(file: Path) -> bool:
    return configuration_file.has_own_values(file, configuration_choice.configuration_root())


def _rows(problems: list[Problem]) -> list[dict[str, object]]:
    return [
        {
            "severity": problem.severity.value,
            "name": problem.rule or None,
            "file": problem.file,
            "line": problem.position[0],
            "column": problem.position[1],
            "message": str(problem),
        }
        for problem in problems
    ]


def _print(file: Path, problems: list[Problem], *, has_errors: bool) -> None:
    for problem in problems:
        if problem.severity is Severity.ERROR:
            print_message(str(problem))
        else:
            name = f" [ack: denodo-ha:{problem.rule}]" if problem.rule else ""
            print_line(f"{problem.severity.value}: {problem}{name}")
    if not has_errors:
        warnings = sum(problem.severity is Severity.WARNING for problem in problems)
        plural = "" if warnings == 1 else "s"
        print_line(f"{file} is valid, with {warnings or 'no'} warning{plural if warnings else 's'}")
