"""Rules across the keys of a configuration, one module per subject."""
