"""Check that every locked package has a wheel for each supported platform, and record the result.

uv evaluates the environment markers in the lock files for another platform. pip's `--platform` only
selects wheels for that platform, and evaluates the markers for the machine that pip runs on.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = ("requirements.lock", "requirements-dev.lock", "tools/local_aws/requirements.lock")
RECORD: Final = ROOT / "tools/platforms.json"
PLATFORMS: Final = {
    "Linux x86-64": "x86_64-unknown-linux-gnu",
    "Linux arm64": "aarch64-unknown-linux-gnu",
    "macOS arm64": "aarch64-apple-darwin",
    "macOS x86-64": "x86_64-apple-darwin",
}
_TIMEOUT_S: Final = 600


def locks_digest() -> str:
    """Return the SHA-256 of all lock files of Python packages.

    `tools/platforms.json` contains this hash, so that a test can detect that the lock files have
    changed since the last check.
    """
    digest = hashlib.sha256()
    for lock in LOCKS:
        digest.update((ROOT / lock).read_bytes())
    return digest.hexdigest()


def _missing_wheels(platform: str, lock: str, folder: str) -> str:
    """Return why the packages of a lock file cannot be installed from wheels; empty if they can."""
    options = ["--dry-run", "--require-hashes", "--only-binary=:all:", "--python-version=3.11"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", *options),
            *(f"--python-platform={platform}", f"--target={folder}", f"--requirement={lock}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def main() -> int:
    """Check all platforms and lock files, and write the record if every wheel exists."""
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, platform in PLATFORMS.items():
            for lock in LOCKS:
                if reason := _missing_wheels(platform, lock, folder):
                    failed = True
                    sys.stderr.write(f"{lock} cannot be installed on {name}:\n{reason}\n")
    if not failed:
        record = {"locks": locks_digest(), "platforms": sorted(PLATFORMS)}
        RECORD.write_text(f"{json.dumps(record, indent=2)}\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
