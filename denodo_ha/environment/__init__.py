"""The validated environment: what one configuration file says, and what follows from it.

Imports neither the CDK nor boto3.
"""
