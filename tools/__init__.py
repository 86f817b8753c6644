"""Development tools that run in a clone: the local AWS, benchmarks, template differences."""
