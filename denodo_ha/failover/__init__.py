"""`denodo-ha failover`."""
