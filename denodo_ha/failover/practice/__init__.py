"""`denodo-ha failover practice`: fail over, stay, fail back, and measure what clients see."""
