"""Load balancers, health checks and the failover switch."""
