"""The environment of processes that call the local AWS."""

import os
import subprocess
import sys
from pathlib import Path

from tools.local_aws.credentials import Access
from tools.local_aws.paths import Paths


def test_temporary_files_are_removed_with_the_local_aws(tmp_path: Path) -> None:
    """A killed CDK CLI leaves folders behind, so they are in the folder of the local AWS."""
    paths = Paths(folder=tmp_path / "local")
    environment = Access("http://127.0.0.1:1", "111122223333", "eu-west-1").environment(paths)
    done = subprocess.run(
        [sys.executable, "-c", "import os, tempfile; print(tempfile.mkdtemp()); os._exit(9)"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert Path(done.stdout.strip()).is_relative_to(paths.folder)
