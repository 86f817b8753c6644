"""The review of a change: what reviewers look at before a deploy."""
