"""Denodo's servers: their processes, scripts, web container and systemd control group."""
