"""Tools of the clone: local AWS, benchmarks, diff."""
