"""`denodo-ha roll`, `rollout` and `pin`."""
