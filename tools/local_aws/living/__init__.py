"""Processes that bring the local AWS to life: machines, balancers, names. Standard library only."""
