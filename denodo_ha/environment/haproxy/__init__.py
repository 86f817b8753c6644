"""HAProxy's routes, configuration file and systemd drop-in, from a configuration."""
