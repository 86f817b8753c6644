"""The model that the drill makes of templates."""
