"""CloudFormation: resource types, their schemas, creation policies, outputs, events."""
