"""Checks of the language of pages, docstrings and messages: `make lint` runs them."""
