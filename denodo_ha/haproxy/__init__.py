"""`denodo-ha haproxy`."""
