"""HAProxy of a cluster: instances, load balancer in front, desired state, SSM documents."""
