"""Readers that build the drill's model from templates."""
