"""`denodo-ha status` and `nodes`."""
