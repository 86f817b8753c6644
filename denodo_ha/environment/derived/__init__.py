"""Values derived from a configuration: topology, firewall, node names and state, failover plan."""
