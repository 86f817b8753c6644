"""Addresses in this machine's loopback network, 127.0.0.0/8."""

PROXY = "127.0.0.1"
NODES = {"node1": "127.0.0.2", "node2": "127.0.0.3"}
