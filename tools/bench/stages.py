"""Stages of one run of app.py, with the seconds that each stage takes."""

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

from tools.bench.process import Run

# Top-level packages whose import time counts as import of the CDK.
CDK_PACKAGES = {"aws_cdk", "constructs", "jsii", "publication"}


@dataclass(frozen=True)
class Stages:
    """Seconds of each stage of a run."""

    start_and_end: float
    import_cdk: float
    import_others: float
    load: float
    construct: float
    synth: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Self:
        """Return, for each stage, the median of its seconds over the runs."""
        every = [cls.of_one(run) for run in runs]
        names = [field.name for field in fields(cls)]
        return cls(*(statistics.median(getattr(item, name) for item in every) for name in names))

    @classmethod
    def of_one(cls, run: Run) -> Self:
        """Return the stages of one run of `timed_app.py` with Python's option `-X importtime`."""
        _, _, details = run.stderr.partition('stages: "start"\n')
        cdk = others = 0.0
        timed: dict[str, float] = {}
        for line in details.splitlines():
            kind, _, rest = line.partition(":")
            if kind == "stages":
                timed = json.loads(rest)
                break  # Later imports count as part of the end of the process.
            if kind == "import time":
                microseconds, _, module = rest.split("|")
                if module.strip().partition(".")[0] in CDK_PACKAGES:
                    cdk += int(microseconds) / 1e6
                else:
                    others += int(microseconds) / 1e6
        load, synth, total = timed["load"], timed["synth"], timed["all"]
        construct = total - cdk - others - load - synth
        return cls(run.wall - total, cdk, others, load, construct, synth)

    def rows(self, unchecked: "Stages") -> Iterator[str]:
        """Yield the lines of the table; `unchecked` has the stages of a run without validation."""
        stages = {
            "start and end of the process": self.start_and_end,
            "import aws_cdk and start jsii": self.import_cdk,
            "import everything else": self.import_others,
            "load the configuration": self.load,
            "make the constructs": self.construct,
            "synth without validation": unchecked.synth,
            "validation": self.synth - unchecked.synth,
        }
        for name, seconds in stages.items():
            yield f"{name:32}{seconds:8.2f}"
