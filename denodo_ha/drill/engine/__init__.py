"""Engine: what a failure does, by AWS's documented rules."""
