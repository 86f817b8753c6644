"""The server: MiniStack with this project's plugin, in its own virtual environment."""
