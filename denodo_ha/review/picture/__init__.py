"""Pictures of the topology as clients see it, from templates alone."""
