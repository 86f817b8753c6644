"""`denodo-ha failover practice`: fail over, stay, fail back; measure when clients are served."""
