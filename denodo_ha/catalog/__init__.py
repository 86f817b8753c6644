"""`denodo-ha catalog`."""
