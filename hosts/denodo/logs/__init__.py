"""Logs of the node, which are sent to CloudWatch Logs."""
