"""Write the review's page of each configuration, for a pull or merge request.

    .venv/bin/python -m tools.review_pages --base HEAD^1 --to review --fail-on worse,cost:+20%

This command writes review/NAME.md and review/NAME.html for each config/NAME.yaml. Without any
config/NAME.yaml, it reviews the example `active-passive`. If a review fails, NAME.md has the
reason. The exit code is the highest one of the reviews: 0 for success, 1 if a review finds a change
that --fail-on forbids, else the exit code of the failure.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TIMEOUT_S: Final = 1200
"""Project default: time limit of one review in seconds. A review takes about ten seconds."""
_GATE: Final = 1
_MOST_REASONS: Final = 20_000
"""Project limit: maximum number of characters of the reasons on the page of a review that failed,
so that the page fits in a comment."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--base", required=True, help="git revision before the change")
    parser.add_argument(
        "--to", type=Path, required=True, help="folder for the pages; created if it does not exist"
    )
    parser.add_argument(
        "--fail-on", default="", help="categories as for denodo-ha review; empty: none"
    )
    options = parser.parse_args(arguments)
    folder: Path = options.to
    folder.mkdir(parents=True, exist_ok=True)
    gate = ["--fail-on", options.fail_on] if options.fail_on else []
    codes = [_review(config, options.base, folder, gate) for config in configurations(ROOT)]
    return max(codes)


def configurations(root: Path) -> list[str]:
    """Return the configurations of a clone as paths, or the name of an example if there is none."""
    files = sorted(file for file in (root / "config").glob("*.yaml") if ".pins" not in file.name)
    return [str(file.relative_to(root)) for file in files] or ["active-passive"]


def _review(config: str, base: str, folder: Path, gate: Sequence[str]) -> int:
    """Run `denodo-ha review` for a configuration: write the page, and return the exit code."""
    page = folder / f"{Path(config).stem}.md"
    html = page.with_suffix(".html").absolute()
    command = ["tools/denodo-ha", "review", "--base", base, "-c", config, "--html", str(html)]
    sys.stderr.write(f"{config}: compared with {base}\n")
    try:
        done = subprocess.run(
            [*command, *gate],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=TIMEOUT_S,
            check=False,
        )
        code, output, reasons = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, output, reasons = 4, "", f"the review did not end within {TIMEOUT_S} s"
    sys.stderr.write(reasons)
    is_page = code in {0, _GATE}
    page.write_text(output if is_page else _failure(config, reasons), encoding="utf-8")
    return code if code >= 0 else 4


def _failure(config: str, reasons: str) -> str:
    """Return the page of a review that failed, with the reasons as a block of indented lines."""
    lines = [f"    {line}" for line in reasons[:_MOST_REASONS].splitlines()]
    return "\n".join([f"**The review of {config} failed:**", "", *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
