"""Load balancers of the local AWS: one process that forwards connections as AWS documents it."""
