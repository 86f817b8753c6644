"""Exports of Virtual DataPort's metadata, and the databases in which Denodo stores metadata."""
