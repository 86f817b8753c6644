"""Route 53: hosted zones, health checks and their status."""
