"""`denodo-ha shift`."""
