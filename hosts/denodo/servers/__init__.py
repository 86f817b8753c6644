"""Denodo's servers: their processes, scripts, web container and control group."""
