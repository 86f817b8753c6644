"""Read a configuration file, with every error at once.

    loaded = load(Path("config/prod.yaml"))

raises `ConfigError`, which carries every problem of the file and of its pins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File

from denodo_ha.environment.loading import yaml_document
from denodo_ha.environment.loading.problem import ConfigError, Problem, Severity
from denodo_ha.environment.loading.validation import Outcome, validate
from denodo_ha.environment.loading.yaml_document import Document
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import NO_PINS, Pins, pins_file
from denodo_ha.environment.rules import registry


@dataclass(frozen=True)
class Loaded:
    """A configuration that can be used.

    Attributes:
        environment: what the file says, checked.
        pins: what the nodes run, as far as it is known.
        findings: warnings and notes.
    """

    environment: Environment
    pins: Pins
    findings: tuple[Problem, ...]


def load(file: File, *, deploying: bool = True) -> Loaded:
    """Read and check a configuration file and the pins beside it.

    Args:
        file: the configuration.
        deploying: whether stacks are to be made of it; without, what no stack exists for yet, or
            what only AWS needs, is no error.

    Raises:
        ConfigError: with every error of both files.
    """
    document = yaml_document.read(file)
    outcome = validate(document, Environment)
    pins, pin_problems = _pins(file, outcome.model)
    found = [
        *outcome.problems,
        *pin_problems,
        *_judged(document, outcome, pins, deploying=deploying),
    ]
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    if errors or outcome.model is None:
        raise ConfigError(errors)
    return Loaded(outcome.model, pins or NO_PINS, tuple(found))


def _judged(
    document: Document, outcome: Outcome[Environment], pins: Pins | None, *, deploying: bool
) -> Iterator[Problem]:
    """What the rules say of what is right by itself."""
    if outcome.model is not None:
        for problem in registry.check(outcome.model, pins, deploying=deploying):
            if outcome.bears(problem):
                yield document.located(problem)


def _pins(config: File, environment: Environment | None) -> tuple[Pins | None, list[Problem]]:
    """The pins beside a configuration, None where there is no such file, and their problems."""
    file = pins_file(config)
    if not file.exists():
        return None, []
    try:
        document = yaml_document.read(file)
    except ConfigError as error:
        return NO_PINS, list(error.problems)
    if document.data is None:
        document.data = {}
    outcome = validate(document, Pins)
    pins = outcome.model or NO_PINS
    told = registry.check_pins_file(environment, pins) if environment else ()
    return pins, [*outcome.problems, *(document.located(problem) for problem in told)]
