"""Read a configuration file and report all its errors at once.

    loaded = load(Path("config/prod.yaml"))

If the configuration file or its pins file has errors, `load` raises `ConfigError` with all errors.
"""

from dataclasses import dataclass
from pathlib import Path as File

from denodo_ha.environment.full_command import chosen_file
from denodo_ha.environment.loading import yaml_document
from denodo_ha.environment.loading.placeholders import placeholders as placeholders_of
from denodo_ha.environment.loading.problem import ConfigError, Problem, Severity
from denodo_ha.environment.loading.validation import empty_values, validate
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import NO_PINS, Pins, pins_file
from denodo_ha.environment.rules import registry


@dataclass(frozen=True)
class Loaded:
    """A configuration without errors.

    Attributes:
        environment: the validated content of the file.
        pins: the pins of the nodes; empty without a pins file.
        findings: warnings and notes.
    """

    environment: Environment
    pins: Pins
    findings: tuple[Problem, ...]


def load(file: File, *, deploying: bool = True, placeholders: bool = False) -> Loaded:
    """Read and check a configuration file and the pins file beside it.

    Args:
        file: the configuration.
        deploying: if false, rules that apply only to stacks on AWS are skipped.
        placeholders: whether to warn about values of the examples that were not replaced.

    Raises:
        ConfigError: At least one of the files has an error. The exception contains every error of
            both files.
    """
    with chosen_file(str(file)):
        return _load(file, deploying=deploying, placeholders=placeholders)


def _load(file: File, *, deploying: bool, placeholders: bool) -> Loaded:
    document = yaml_document.read(file)
    validated = validate(document, Environment)
    environment = validated.model
    pins, problems = _load_pins(file, environment)
    problems += validated.problems
    if environment is not None:
        empty = empty_values(document, problems)
        problems += registry.judged_problems(empty, environment, pins)
        if placeholders:
            left = placeholders_of(document)
            problems += registry.judged_problems(map(document.located, left), environment, pins)
        findings = registry.environment_problems(environment, pins, deploying=deploying)
        problems += [document.located(problem) for problem in findings]
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors or environment is None:
        raise ConfigError(errors)
    return Loaded(environment, pins or NO_PINS, tuple(problems))


def _load_pins(config: File, environment: Environment | None) -> tuple[Pins | None, list[Problem]]:
    """Return pins and problems of the pins file. Without a pins file, the pins are None."""
    file = pins_file(config)
    if not file.exists():
        return None, []
    try:
        document = yaml_document.read(file)
    except ConfigError as error:
        return NO_PINS, list(error.problems)
    if document.data is None:
        document.data = {}
    validated = validate(document, Pins)
    pins = validated.model or NO_PINS
    findings = registry.pins_file_problems(environment, pins) if environment else ()
    return pins, [*validated.problems, *(document.located(problem) for problem in findings)]
