"""A local AWS, to which the real CDK CLI deploys without an account: see its README.md."""
