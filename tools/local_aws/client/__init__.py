"""Clients of the local AWS: a network in which its names are found, and a Java client."""
