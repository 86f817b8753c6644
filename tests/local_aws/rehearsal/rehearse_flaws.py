"""Rehearse templates with planted flaws: each flaw must have the effect that the drill predicts.

    python -m tests.local_aws.rehearsal.rehearse_flaws [NAME …]

The example is deployed once, to a local AWS of its own, and gets one flaw after the other.
"""

import argparse
import sys
from collections.abc import Iterator

from denodo_ha.drill.outcome import Reach
from tests.local_aws.rehearsal.flaws import EXAMPLE, FLAWS, Effect, Flaw
from tests.local_aws.rehearsal.planting import Site
from tools.local_aws.rehearsal.comparison import Seen
from tools.local_aws.rehearsal.rehearsal import Play, rehearse_variants
from tools.local_aws.rehearsal.scenario_choice import Options

_ENVIRONMENT = "denodo70"


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def seen_effect(seen: Seen) -> Effect:
    """Return the final observations of clients."""
    (side,) = seen.sides.values()
    return Effect(side, seen.ports(Reach.NONE), seen.ports(Reach.SOME))


def differences(flaw: Flaw, plays: list[Play]) -> Iterator[str]:
    """Yield how clients' observations differ from the drill's outcome, or from a flaw's effect."""
    (play,) = plays
    yield from play.disagreements
    if play.seen is None:
        yield f"not played: {play.reason}"
    elif seen_effect(play.seen) != flaw.effect:
        yield f"seen {seen_effect(play.seen)} instead of {flaw.effect}"


def main() -> int:
    """Rehearse the named flaws, or all; return the exit code."""
    parser = argparse.ArgumentParser(description="Rehearse templates with planted flaws.")
    names = [flaw.name for flaw in FLAWS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    chosen = parser.parse_args().names or names
    if unknown := set(chosen) - set(names):
        parser.error(f"no flaw is named {', '.join(sorted(unknown))}")
    flaws = [flaw for flaw in FLAWS if flaw.name in chosen]
    site = Site(_ENVIRONMENT)
    variants = [(site.planting(flaw.plant), Options(failures=(flaw.failure,))) for flaw in flaws]
    failed = 0
    for flaw, plays in zip(flaws, rehearse_variants(EXAMPLE, variants, say), strict=True):
        wrong = list(differences(flaw, plays))
        failed += bool(wrong)
        say(f"{flaw.name}: {'; '.join(wrong) or 'fails as the drill says'} ({flaw.failure})")
    say(f"{len(flaws) - failed} of {len(flaws)} flaws show as the drill says")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
