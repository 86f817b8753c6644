"""The metadata database, its logins and alarms."""
