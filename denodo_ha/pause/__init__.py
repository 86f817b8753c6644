"""`denodo-ha pause` and `denodo-ha resume`."""
