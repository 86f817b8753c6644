"""CDK stacks and constructs. They read no files, no CDK context and no environment variables."""
