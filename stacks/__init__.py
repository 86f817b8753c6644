"""CDK stacks and constructs. They read no file, no context and no environment variable."""
