"""Metadata database, its logins and its alarms."""
