"""The program of a Denodo node: it turns the node's desired state into Denodo's configuration.

The program runs on the Python of the image, 3.9 or later, with the standard library only.
docs/reference/node.md describes what the program does, which files it changes, and its exit codes.
"""
