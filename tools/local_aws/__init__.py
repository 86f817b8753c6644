"""The local AWS: an emulator to which the CDK CLI deploys without an AWS account. See README.md."""
