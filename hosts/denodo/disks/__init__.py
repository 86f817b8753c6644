"""Disks of a node: its EBS volumes, and the data disk."""
