"""The server: MiniStack with a plugin of ours, in an environment of its own."""
