"""Long limits for commands that a test runs in its own process, against servers on this machine.

Otherwise, a command on a busy machine would report a region or a node that does not answer.
"""

import pytest

from denodo_ha.aws import deadline, http_session
from denodo_ha.status import haproxy_query, node_query

_ANSWER_S = 120.0


def remove_deadlines(patch: pytest.MonkeyPatch) -> None:
    """Remove the deadlines of commands, and give each call and node two minutes to answer."""
    patch.setattr(deadline, "left", lambda limit: limit)
    patch.setattr(http_session, "ATTEMPT_S", _ANSWER_S)
    for module in (node_query, haproxy_query):
        patch.setattr(module, "PATIENCE_S", _ANSWER_S)
