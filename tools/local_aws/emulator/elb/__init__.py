"""Elastic Load Balancing: load balancers, listeners, target groups, target health."""
