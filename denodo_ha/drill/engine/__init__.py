"""The engine of the drill: the outcome of a failure by AWS's documented rules."""
