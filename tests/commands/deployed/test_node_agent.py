"""Results of the node program: the error contains the program's last message as a whole."""

import pytest

from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.deployed.node_agent import explain_result


@pytest.mark.parametrize(
    ("output", "last"),
    [
        ("", ""),
        ("starting vdp\nvdp -> is > ready\n", ": vdp -> is > ready"),
        ("<6>starting vdp\n<3>it failed\n<3>\n", ": it failed"),
        ("one\nall of:\n  this\n\n  that\n", ": all of: this that"),
        ("<6>one\n<3>all of:\n<3>  this\n<3>  that", ": all of: this that"),
        ("  only\n  indented", ": only indented"),
    ],
)
def test_the_last_message_is_shown_whole(output: str, last: str) -> None:
    meaning = "the image or a shared database lacks something that the node needs"
    assert explain_result(CommandResult(4, "Failed", output, "")) == f"{meaning}{last}"
    assert explain_result(CommandResult(99, "Failed", "", output)) == f"exit code 99{last}"


def test_a_command_that_did_not_run() -> None:
    text = "the command did not run on the node (Undeliverable)"
    assert explain_result(CommandResult(-1, "Undeliverable", "x", "")) == text
