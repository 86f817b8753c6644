"""A cluster behind HAProxy: instances, front balancer, desired state, SSM document."""
