"""The deployed failover: its location, sides, health checks and DNS answers."""
