"""Find, parse and validate a configuration file, and report each problem with its position."""
