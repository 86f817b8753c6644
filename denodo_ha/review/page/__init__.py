"""The page of a review: its parts, its contents, and a renderer for each format."""
