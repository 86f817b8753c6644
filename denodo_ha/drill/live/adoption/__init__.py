"""Adoption of a hand-made site: its configuration file, and the plan of three ways to continue."""
