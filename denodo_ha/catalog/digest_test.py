"""Digest test: a node exports its metadata twice, and reports what differs in the site digest.

Two exports of one node have the same site digest only if Denodo writes the same text each time. No
page of Denodo promises this, so this test finds out whether Denodo does this on a node. The node
reports the names of elements and keys, and no value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Failed
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.cluster import read_cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.bounded_document import parse_json_answer

ACTION: Final = "digest-test"
TEST_S: Final = 3600
"""Project default: seconds for two exports; each of them takes seconds to minutes."""


@dataclass(frozen=True)
class DigestTest:
    """The result of a digest test.

    Attributes:
        elements: number of compared elements.
        not_compared: patterns of elements that are left out.
        differences: a description of the difference for each element that differs; empty if the
            digests are the same.
        not_shown: number of further differences.
    """

    elements: int
    not_compared: tuple[str, ...]
    differences: Mapping[str, str]
    not_shown: int

    @property
    def same(self) -> bool:
        """Return True if both exports have the same site digest."""
        return not self.differences


def run_digest_test(
    aws: Aws, location: StackLocation, node: str, *, clock: Clock, progress: Progress
) -> DigestTest:
    """Let a node export twice, and return what differs.

    Raises:
        Refused: The deployed SSM document does not have the action `digest-test`.
        Failed: The node does not answer, or cannot export.
        UsageError: The cluster has no such node.
    """
    cluster = read_cluster(aws, location)
    agent = NodeAgent(aws, cluster, clock)
    with progress.step(f"{node}: exporting twice") as step:
        result = agent.run(
            node,
            ACTION,
            timeout=TEST_S,
            progress=lambda state, passed: step.update(f"{state} ({passed:.0f} s)"),
        )
    try:
        # If the exit code is not 0, the output is not JSON, and `json.loads` raises ValueError.
        answer = parse_json_answer(result.output)
        return DigestTest(
            elements=int(answer["elements"]),
            not_compared=tuple(str(pattern) for pattern in answer["not_compared"]),
            differences={str(key): str(value) for key, value in answer["differences"].items()},
            not_shown=int(answer["not_shown"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        roll = full_command("roll", "--node", node, cluster=cluster.name)
        message = (
            f"{node} does not report a digest test: {node_agent.explain_result(result)}; if the "
            f"node program is of an earlier version than this command, run `{roll}` first"
        )
        raise Failed(message) from None
