"""`denodo-ha verify`."""
