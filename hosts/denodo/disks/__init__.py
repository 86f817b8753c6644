"""Disks of a node: its EBS volumes, one of which may be the data disk."""
