"""Network, security groups and DNS names of nodes of a cluster."""
