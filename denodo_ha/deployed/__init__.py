"""Deployed resources: environments, stacks, clusters, nodes, balancers, target health."""
