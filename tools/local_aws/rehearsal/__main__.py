"""`make rehearse CONFIG=…`: cause the drill's failures on the local AWS, and compare.

    .venv/bin/python -m tools.local_aws.rehearsal active-passive
    .venv/bin/python -m tools.local_aws.rehearsal --all --format markdown

Exit code 1: the local AWS and the drill disagree on a scenario. The progress is on standard error.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from denodo_ha.environment.derived.failure_kinds import FAILURE_KINDS
from denodo_ha.environment.loading.problem import ConfigError
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT
from tools.local_aws.rehearsal import rehearsal, report
from tools.local_aws.rehearsal.scenario_choice import PACE, Options

_INTERRUPTED = 130
_SLOWEST, _FASTEST = 1.0, 60.0
"""Project default: lowest and highest pace. At a higher pace, the time-outs of this machine would
be longer than AWS's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse, print the report, and return the exit code."""
    given = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options = Options(
        pace=given.pace,
        kinds=tuple(given.kind),
        first_only=given.first_only,
        with_alarms=given.with_alarms,
    )
    try:
        plays = {
            config: rehearsal.rehearse(config, options, _progress(config))
            for config in (_examples() if given.all else given.configs)
        }
    except (LocalAwsError, ConfigError) as error:
        sys.stderr.write(f"make rehearse: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nmake rehearse: interrupted; the rehearsal's local AWS has ended\n")
        return _INTERRUPTED
    report.print_plays(plays, options.pace, given.format)
    return int(any(rehearsal.failed(of) for of in plays.values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rehearsal",
        description="Cause the failures of the drill on a local AWS, and compare the effects with "
        "the drill's predictions.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("configs", nargs="*", default=[], help="paths or names of configurations")
    which.add_argument("--all", action="store_true", help="rehearse all example configurations")
    parser.add_argument(
        "--pace",
        type=_pace,
        default=PACE,
        help="AWS seconds that pass in one real second (default: 10)",
    )
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        choices=sorted(FAILURE_KINDS),
        help="cause only failures of this kind; repeatable",
    )
    parser.add_argument(
        "--first-only", action="store_true", help="cause only the first failure of each kind"
    )
    parser.add_argument(
        "--with-alarms",
        action="store_true",
        help="wait for the alarms of each failure, and compare the alarms too",
    )
    parser.add_argument("--format", choices=report.FORMATS, default="table")
    return parser


def _pace(text: str) -> float:
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    if not _SLOWEST <= pace <= _FASTEST:
        message = (
            f"{text} is not a pace: write the number of AWS seconds in one real second, from "
            f"{_SLOWEST:g} to {_FASTEST:g}"
        )
        raise argparse.ArgumentTypeError(message)
    return pace


def _examples() -> list[str]:
    """Return the names of the example configurations."""
    files = sorted((ROOT / "config/examples").glob("*.yaml"))
    return [file.stem for file in files if ".pins" not in file.name]


def _progress(config: str) -> rehearsal.Say:
    def say(text: str) -> None:
        sys.stderr.write(f"{config}: {text}\n")
        sys.stderr.flush()

    return say


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
