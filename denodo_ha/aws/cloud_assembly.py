"""The templates in a folder that `cdk synth` has written, such as cdk.out."""

import json
from pathlib import Path
from typing import Any

from denodo_ha.aws.template_document import Template
from denodo_ha.cli.errors import UsageError

_STACK = "aws:cloudformation:stack"


def templates(folder: Path) -> dict[str, Template]:
    """The templates of a cloud assembly by their stack's name.

    Raises:
        UsageError: the folder is none.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        found = {
            str(one.get("properties", {}).get("stackName", id_)): json.loads(
                (folder / one["properties"]["templateFile"]).read_text("utf-8")
            )
            for id_, one in manifest["artifacts"].items()
            if one["type"] == _STACK
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"{folder} is no folder of `cdk synth`: {error}; make one with `npx cdk synth -c "
            f"config=CONFIG --output {folder}`"
        )
        raise UsageError(message) from None
    return found
