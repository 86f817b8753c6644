"""Review of a change: its findings, costs and picture, for reviewers before a deploy."""
