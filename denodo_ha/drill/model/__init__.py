"""The drill's model of the templates."""
