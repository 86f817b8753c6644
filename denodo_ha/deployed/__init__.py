"""What is deployed: environments, stacks, clusters, nodes, balancers, target health."""
