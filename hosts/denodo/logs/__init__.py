"""Sending of the node's logs to CloudWatch Logs."""
