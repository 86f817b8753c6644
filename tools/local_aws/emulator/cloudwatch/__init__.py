"""CloudWatch: metrics and alarms."""
