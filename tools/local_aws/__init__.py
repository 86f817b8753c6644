"""A local AWS, to which the real CDK CLI deploys without an account: see README.md in this folder."""
