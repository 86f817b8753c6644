"""Commands on the configuration file alone: copy an example, and validate."""
