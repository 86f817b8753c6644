"""Parts that the programs of Denodo nodes and of HAProxy hosts have in common."""
