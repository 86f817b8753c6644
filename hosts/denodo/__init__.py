"""The program that runs on each node and turns its desired state into Denodo's files.

Python's standard library only, 3.9 and later, and nothing of the project: it runs on the
image's own Python. docs/node.md says what it does, what it touches, and its exit codes.
"""
