"""Readiness endpoint of a node: its HTTP server, and the probes of the node's servers."""
