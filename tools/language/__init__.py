"""Checks of the language of pages, docstrings and messages, which `make lint` runs."""
