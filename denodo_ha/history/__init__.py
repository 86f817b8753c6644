"""`denodo-ha history`."""
