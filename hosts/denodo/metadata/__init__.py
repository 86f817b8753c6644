"""Exports of Virtual DataPort's metadata, and the databases on which Denodo stores metadata."""
