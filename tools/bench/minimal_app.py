"""The least that a CDK app can be: what a synth costs before it does anything of ours."""

import aws_cdk as cdk
from aws_cdk import aws_sns as sns

app = cdk.App()
sns.Topic(cdk.Stack(app, "minimal"), "Topic")
app.synth()
