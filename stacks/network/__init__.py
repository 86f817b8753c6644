"""Network, security groups and node names of a cluster."""
