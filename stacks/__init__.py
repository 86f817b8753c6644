"""CDK stacks and constructs. They read neither files, context nor environment variables."""
