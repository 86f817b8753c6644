"""Adoption of a hand-made site: its configuration, and a plan of the ways to operate it."""
