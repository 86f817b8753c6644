"""Watchdog of a node, which starts Denodo servers again that have died."""
