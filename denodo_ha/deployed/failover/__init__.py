"""The deployed failover: location, state of both clusters, health checks and DNS answers."""
