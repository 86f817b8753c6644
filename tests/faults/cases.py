"""Cases of the fault matrix: commands x call positions x faults x (one call or lasting).

A row is a command with its arguments. A test compares the rows with the program's registered
commands, and fails for a new command without a row.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from denodo_ha.cli import exit_codes
from denodo_ha.cli.exit_codes import DONE
from tests.faults.preparations import ZONE
from tests.faults.site import KEPT, LOST, PRIMARY, SECONDARY
from tests.support.servers.fault_proxy import Call, Fault, Rule

Arguments = tuple[str, ...]

_ON: Final = ("--cluster", PRIMARY)
_IN_REGIONS: Final = ("--region", LOST, "--region", KEPT)
_RECORD: Final = "denodo.example.com"
ROWS: Final[dict[str, tuple[Arguments, ...]]] = {
    "status": (("status", "--no-ask"),),
    "verify": (("verify", "--through", PRIMARY, "--timeout", "1"),),
    "drill": (("drill", "--live"),),
    "history": (("history",),),
    "logs": (("logs", "node1", *_ON),),
    "support": (("support", "--no-plan", "--to", "{new_file}"),),
    "adopt": (("adopt", *_IN_REGIONS, "--record", _RECORD, "adopted-by-faults"),),
    "drain": (
        ("drain", "node1", *_ON),
        ("drain", "node1", *_ON, "--dry-run"),
    ),
    "enable": (("enable", "node1", *_ON),),
    "pin": (("pin", "--dry-run"),),
    "plan": (("plan", "{assembly}"),),
    "shift": (("shift", *_ON), ("shift", "--back", *_ON), ("shift", ZONE, *_ON)),
    "pause": (("pause", PRIMARY, "--why", "new switches", "--for", "1h"),),
    "resume": (("resume", PRIMARY),),
    "roll": (("roll", *_ON), ("roll", *_ON, "--dry-run")),
    "catalog init": (("catalog", "init", *_ON, "--dry-run"),),
    "catalog status": (("catalog", "status", *_ON),),
    "catalog learn": (("catalog", "learn", "node1", *_ON),),
    "catalog digest-test": (("catalog", "digest-test", "node1", *_ON),),
    "catalog import-export": (("catalog", "import-export", "node1", *_ON, "--dry-run"),),
    "catalog restore-database": (("catalog", "restore-database", "--in", SECONDARY, "--dry-run"),),
    "catalog rotate": (("catalog", "rotate", "scheduler", *_ON),),
    "haproxy apply": (("haproxy", "apply", *_ON),),
    "failover status": (("failover", "status"),),
    "failover check": (("failover", "check", "--for", SECONDARY),),
    "failover to": (
        ("failover", "to", SECONDARY, "--timeout", "4"),
        ("failover", "to", SECONDARY, "--dry-run"),
    ),
    "failover back": (("failover", "back", "--timeout", "4"),),
    "failover from": (("failover", "from", PRIMARY, "--timeout", "4"),),
    "failover practice": (
        (
            *("failover", "practice", "--stay", "1s", "--timeout", "8", "--without-client"),
            "--even-if-not-ready",
        ),
    ),
    "failover restore": (("failover", "restore", PRIMARY, "--timeout", "4"),),
    # These commands are last because they replace machines: rows after these commands would find
    # other machines than the cloud assembly has.
    "rollout": (("rollout", *_ON, "--dry-run"), ("rollout", *_ON)),
    "replace": (
        ("replace", "node1", *_ON, "--even-if-running", "--dry-run"),
        ("replace", "node1", *_ON, "--even-if-running"),
    ),
}
"""Arguments of each command that calls AWS, by the command's full name; `{new_file}` stands for the
path of a file that does not exist. `preparations.BEFORE` says in which state of the environment a
row begins."""
WITHOUT_CONFIGURATION: Final = frozenset({"adopt"})
"""Commands that have no option -c."""
NOT_DONE: Final[Mapping[str, int]] = {
    "verify": exit_codes.NO,
    "adopt": exit_codes.REFUSED,
    "catalog init": exit_codes.REFUSED,
    "catalog status": exit_codes.REFUSED,
    "catalog rotate": exit_codes.REFUSED,
    "catalog digest-test": exit_codes.REFUSED,
    "catalog restore-database": exit_codes.REFUSED,
    "catalog import-export": exit_codes.REFUSED,
    "failover check": exit_codes.AWS,
    "haproxy": exit_codes.USAGE,
    "logs": exit_codes.USAGE,
    "support": exit_codes.NO,
}
"""Exit codes other than 0 of runs without faults. No server listens where `verify` connects to. The
environment has no metadata database, no exports, no HAProxy instances and no log groups. Without
exports, it is not known whether the standby is ready. `adopt` refuses load balancers that stacks
have.
"""
VARIANT_KINDS: Final = 1
"""Number of kinds of faults (`CLASSES`) that the sample gives a row of `ROWS` for which
`gets_every_kind` is false."""
WRAPPERS: Final = frozenset({"failover back", "failover from", "failover restore"})
"""Commands that do what `failover to` does, and little else."""
WHOLE_MATRIX_ONLY: Final = frozenset({"drill", "failover practice", "support"})
"""Commands whose runs take long, because they do what several other commands do, or make about as
many calls as several other commands. `make fault-matrix` runs them; the sample does not.
"""
SEED: Final = 20261126
"""Seed of the sample's random choices."""

CLASSES: Final[dict[str, tuple[Fault, ...]]] = {
    "no answer": (Fault.REFUSE,),
    "not now": (Fault.UNAVAILABLE, Fault.THROTTLED),
    "no answer of AWS": (Fault.HTML, Fault.CUT, Fault.EMPTY),
    "lost": (Fault.LOST, Fault.LATE),
    "rejected": (Fault.DENIED, Fault.EXPIRED),
    "eventually consistent": (Fault.STALE, Fault.PAGED),
    "interrupted": (Fault.INTERRUPTED,),
}
"""Faults by kind. `Fault.HANG` is only in the whole matrix, since a run with a hanging call takes
seconds.
"""
PARTS: Final = 4
"""Number of parts of a run. The sample has faults in each part, from the first call to the last."""
ONCE: Final = frozenset({Fault.INTERRUPTED})
"""Faults that do not last: a second Ctrl-C ends the process at once."""


@dataclass(frozen=True)
class Case:
    """One case: a run of a command with a fault.

    Attributes:
        arguments: the command with its arguments.
        position: index of the faulty call among the calls of a run without faults, from 0.
        call: operation and region of the call at that position.
        fault: what happens to the call.
        lasting: whether the fault applies to every call of this operation in this region.
    """

    arguments: Arguments
    position: int
    call: tuple[str, str]
    fault: Fault
    lasting: bool

    @property
    def key(self) -> str:
        """Return the name of the case: its command, position, call and fault."""
        operation, region = self.call
        how = "lasting" if self.lasting else "once"
        line = " ".join(self.arguments)
        return f"{line} | {self.position} {operation} {region} | {self.fault} {how}"

    def rule(self, calls: Sequence[tuple[str, str]]) -> Rule:
        """Return the fault proxy's rule for this case.

        Args:
            calls: the calls of an undisturbed run.
        """
        operation, region = self.call
        if self.fault is Fault.EXPIRED and self.lasting:
            # Expired credentials make every later call fail, whatever its operation.
            return Rule(self.fault, since=self.position + 1)
        number = calls[: self.position + 1].count(self.call)
        return Rule(
            self.fault,
            region=region,
            operation=operation,
            on=None if self.lasting else number,
        )


def expected_code(arguments: Arguments) -> int:
    """Return the exit code of an undisturbed run of a row."""
    line = " ".join(arguments)
    return next((code for begin, code in NOT_DONE.items() if line.startswith(begin)), DONE)


def rows() -> Iterator[Arguments]:
    """Yield the arguments of every row."""
    for arguments in ROWS.values():
        yield from arguments


def named(calls: Sequence[Call]) -> list[tuple[str, str]]:
    """Return the operation and the region of each call."""
    return [(call.operation, call.region) for call in calls]


def every_case(arguments: Arguments, calls: Sequence[tuple[str, str]]) -> Iterator[Case]:
    """Yield all cases of a row of `ROWS`: each call with each fault, once and lasting."""
    for (position, call), fault, lasting in product(enumerate(calls), Fault, (False, True)):
        if not (lasting and fault in ONCE):
            yield Case(arguments, position, call, fault, lasting)


def _command(arguments: Arguments) -> str:
    """Return the full name of the command of a row."""
    (command,) = (name for name, rows in ROWS.items() if arguments in rows)
    return command


def gets_every_kind(arguments: Arguments) -> bool:
    """Return whether a row gets every kind of fault in the sample.

    Only the main row of a command gets every kind: its last row without `--dry-run`, if the command
    completes in this environment and is not in `WRAPPERS`.
    """
    command = _command(arguments)
    acting = [row for row in ROWS[command] if "--dry-run" not in row] or list(ROWS[command])
    is_main = arguments == acting[-1] and command not in WRAPPERS | WHOLE_MATRIX_ONLY
    return is_main and expected_code(arguments) == DONE


def sampled_rows() -> Iterator[tuple[int, Arguments]]:
    """Yield the rows of the sample, each with its position among all rows."""
    for number, arguments in enumerate(rows()):
        if _command(arguments) not in WHOLE_MATRIX_ONLY:
            yield number, arguments


def sample(number: int, arguments: Arguments, calls: Sequence[tuple[str, str]]) -> Iterator[Case]:
    """Yield cases of a row: the part of the pairwise sample that belongs to this row.

    The factors of the sample are the command, the part of the run in which the fault happens, the
    kind of fault, and whether the fault is in one call or lasts. Each pair of two factors' values
    is in the sample for the commands of `gets_every_kind`: such a command gets every kind of fault,
    and the part of the run depends on the kind and on the row. A row's cases do not depend on the
    other rows' calls.

    Args:
        number: the row's position among all rows.
        arguments: the row.
        calls: the calls of an undisturbed run of the row.
    """
    # The generator chooses the faulty call within the part of the run that each case has.
    generator = random.Random(f"{SEED} {arguments}")  # noqa: S311 - a sample
    kinds = list(enumerate(CLASSES.values()))
    if not gets_every_kind(arguments):
        kinds = [kinds[(number + index * 3) % len(kinds)] for index in range(VARIANT_KINDS)]
    for index, faults in kinds:
        fault = faults[number % len(faults)]
        position = _position_in_part((number + index) % PARTS, calls, generator)
        lasting = (number + index // 2) % 2 == 0 and fault not in ONCE
        yield Case(arguments, position, calls[position], fault, lasting=lasting)


def _position_in_part(part: int, calls: Sequence[tuple[str, str]], generator: random.Random) -> int:
    """Return a position in a part of the calls; rare operations are as probable as frequent ones.

    A call that changes something is rare, and a fault in such a call has the most consequences.
    """
    bounds = [round(len(calls) * bound / PARTS) for bound in (part, part + 1)]
    begin = min(bounds[0], len(calls) - 1)
    positions = range(begin, max(bounds[1], begin + 1))
    operation = generator.choice(sorted({calls[position][0] for position in positions}))
    return generator.choice([each for each in positions if calls[each][0] == operation])
