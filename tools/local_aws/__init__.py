"""A local AWS: the real CDK CLI deploys to it, without an account. See `make local`."""
