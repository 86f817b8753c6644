"""AWS access shared by all commands: clients, errors, polling, lock, templates, CDK CLI."""
