"""Readiness endpoint of a node: its HTTP server, and the probes of Denodo's servers."""
