"""HAProxy of a cluster: its routes, its configuration file and its systemd drop-in."""
