"""A rehearsal in a test: a few scenarios of one example."""

from denodo_ha.drill.outcome import Failure
from tests.support import local_aws_server
from tools.local_aws.rehearsal.rehearsal import Options, Play, rehearse


def plays(config: str, *failures: Failure) -> list[Play]:
    """Rehearse some failures of an example."""
    local_aws_server.set_up()
    progress: list[str] = []
    return rehearse(config, Options(failures=failures), progress.append)


def assert_agrees(played: list[Play], count: int) -> None:
    """Assert that so many failures were played, and that each was as the drill says."""
    assert [play.disagreements for play in played] == [()] * count
    assert [play.reason for play in played] == [""] * count
    assert all(play.seen is not None and play.seen.connections for play in played)
