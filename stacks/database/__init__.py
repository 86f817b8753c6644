"""The shared metadata database, its logins and alarms, and the export bucket."""
