"""Nodes, their programs, desired state and SSM document."""
