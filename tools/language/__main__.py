"""Print texts that break a rule of the language, and words that are in no dictionary.

    .venv/bin/python -m tools.language

cspell checks a copy that contains only the prose of each file, so that names in code need no entry
in `words.txt`.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tools.language import rules, texts

_CSPELL: Final = "node_modules/.bin/cspell"
_TIMEOUT_S: Final = 600


def main() -> int:
    """Return 0 if all texts follow the rules, else 1."""
    files = list(texts.files())
    found = [finding for file in files for finding in rules.findings(file)]
    found += misspelled(files)
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return 1 if found else 0


def misspelled(files: Sequence[Path]) -> list[str]:
    """Return each word that is in no dictionary, with its position."""
    with TemporaryDirectory() as folder:
        for file in files:
            copy = Path(folder) / f"{file.relative_to(texts.ROOT)}.txt"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(texts.prose(file), encoding="utf-8")
        settings = texts.ROOT / "tools/language/cspell.json"
        options = ["--no-progress", "--no-summary", "--no-gitignore", "--no-must-find-files"]
        command = [str(texts.ROOT / ".venv/node"), str(texts.ROOT / _CSPELL), "lint", *options]
        done = subprocess.run(
            [*command, "--config", str(settings), "--root", folder, "**/*.txt"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    # cspell exits with 1 for misspelled words. Node.js exits with 1 too, for example if cspell is
    # not installed, but then has no standard output.
    if done.returncode > 1 or (done.returncode and not done.stdout.strip()):
        sys.exit(f"cspell failed; `make dev` installs cspell: {done.stderr}{done.stdout}")
    lines = [line.replace(f"{folder}/", "", 1) for line in done.stdout.splitlines()]
    return [line.replace(".txt:", ":", 1) for line in lines if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
