"""Metadata database of a cluster, with the components' logins and with alarms."""
