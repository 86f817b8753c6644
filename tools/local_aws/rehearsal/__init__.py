"""The rehearsal: causes the drill's failures on the local AWS, and compares the effects."""
