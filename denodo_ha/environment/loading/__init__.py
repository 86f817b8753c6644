"""Find, parse and validate a configuration file, with every problem at its position."""
