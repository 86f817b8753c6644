"""Nodes: instances, first boot, desired states and SSM document."""
