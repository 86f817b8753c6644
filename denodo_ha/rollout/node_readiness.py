"""Whether a node may be sent to: it is asked, through Systems Manager."""

from dataclasses import dataclass

from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.node_agent import NodeAgent

_MANUAL = "manual"


@dataclass(frozen=True)
class NodeReady:
    """Says why a node is not ready, or nothing; for `Rotation.back`.

    Attributes:
        agent: asks.
        node: the node.
    """

    agent: NodeAgent
    node: str

    def __call__(self) -> str:
        """Ask once.

        Raises:
            Failed: its metadata waits for an operator.
        """
        try:
            status = self.agent.status(self.node)
        except Failed as error:
            # Its agent may not have come up yet.
            return str(error)
        if status.applied is None:
            return "no state was applied yet"
        source = status.applied.get("metadata", {}).get("source", _MANUAL)
        if not status.confirmed and source == _MANUAL:
            message = (
                f"the metadata of {self.node} is not confirmed, so it stays out of the shared "
                "groups: look at its catalog, import what it lacks, and then "
                f"`denodo-ha enable {self.node} --metadata-ok`; after it run this again"
            )
            raise Failed(message)
        return ", ".join(f"{service}: {why}" for service, why in sorted(status.unready.items()))
