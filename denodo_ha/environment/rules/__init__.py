"""Rules across keys of a configuration, one module per subject."""
