"""What follows from a configuration: topology, firewall, names, node state, failover plan."""
