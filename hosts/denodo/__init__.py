"""The program of a Denodo node: it turns the node's desired state into Denodo's configuration.

It runs on the Python of the image, 3.9 or later, with the standard library only. docs/node.md
describes what it does, which files it changes, and its exit codes.
"""
