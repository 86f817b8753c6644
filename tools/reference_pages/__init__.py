"""Generators of the reference pages whose content comes from the code (`make reference`)."""
