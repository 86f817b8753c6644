"""Validated environment: the content of one configuration file, and values derived from it.

This package imports neither the CDK nor boto3.
"""
