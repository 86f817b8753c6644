"""`denodo-ha plan`."""
