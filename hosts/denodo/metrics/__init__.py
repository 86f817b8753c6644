"""Metrics that a node publishes to CloudWatch."""
