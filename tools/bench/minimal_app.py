"""Minimal CDK app, whose `cdk synth` costs as much as the CDK without this project's code."""

import aws_cdk as cdk
from aws_cdk import aws_sns as sns

app = cdk.App()
sns.Topic(cdk.Stack(app, "minimal"), "Topic")
app.synth()
