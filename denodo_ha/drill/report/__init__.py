"""Reports of a drill: table, Markdown, JSON."""
