"""The whole fault matrix: `make fault-matrix ARGS='--shard 1/4'`; run it again to continue.

Each line of the results file is a completed case with the violations that the oracle found.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.faults import cases
from tests.faults.deployment import deployed_site
from tests.faults.running import problems, short_waits, undisturbed_calls
from tests.support import local_aws_server


def main() -> None:
    """Run a shard's remaining cases; exit with 1 if the oracle finds a violation."""
    parser = argparse.ArgumentParser(description="The fault matrix.")
    parser.add_argument("--shard", default="1/1", help="N/M: the Nth of M parts")
    parser.add_argument("--results", type=Path, default=Path(".faults.jsonl"))
    parser.add_argument("--only", default="", help="text in the name of the cases to run")
    options = parser.parse_args()
    number, count = map(int, options.shard.split("/"))
    done = {}
    if options.results.exists():
        lines = options.results.read_text(encoding="utf-8").splitlines()
        done = {record["case"]: record["denied"] for record in map(json.loads, lines)}
    index = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        deployed_site(Path(folder)) as site,
        short_waits(site),
        options.results.open("a", encoding="utf-8") as results,
    ):
        for arguments in cases.rows():
            calls = undisturbed_calls(site, arguments)
            for case in cases.every_case(arguments, calls):
                index += 1
                wanted = index % count == number % count and options.only in case.key
                if not wanted or case.key in done:
                    continue
                done[case.key] = problems(site, case, calls)
                results.write(json.dumps({"case": case.key, "denied": done[case.key]}) + "\n")
                results.flush()
                for text in done[case.key]:
                    sys.stdout.write(f"{text}\n")
                    sys.stdout.flush()
    denied = sum(bool(texts) for texts in done.values())
    sys.stdout.write(f"{len(done)} runs, {denied} with a statement that is not so\n")
    local_aws_server.finish()
    sys.exit(1 if denied else 0)


if __name__ == "__main__":
    main()
