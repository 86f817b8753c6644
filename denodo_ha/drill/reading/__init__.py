"""Reading: templates into the drill's model."""
