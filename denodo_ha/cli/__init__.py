"""The command line: entry point, options, output, progress, errors, exit codes."""
