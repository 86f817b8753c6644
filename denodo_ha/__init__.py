"""Operate and describe highly available Denodo clusters on AWS."""
