"""Alarms that notify operators, and their topics."""
