"""EC2 and Auto Scaling: networks, addresses, instances, security groups."""
