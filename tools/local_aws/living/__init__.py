"""Programs of the parts that run: machines, load balancers, databases. Standard library only."""
