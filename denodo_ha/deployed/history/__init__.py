"""History of an environment: what commands have changed, when, and with what result."""
