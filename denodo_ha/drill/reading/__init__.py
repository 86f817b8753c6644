"""The reading of templates into the drill's model."""
