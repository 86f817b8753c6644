"""`denodo-ha logs`: the logs that machines have sent to CloudWatch Logs."""
