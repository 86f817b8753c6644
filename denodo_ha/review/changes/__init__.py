"""Findings on the changes between the templates of two revisions, one module per subject."""
