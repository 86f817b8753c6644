"""Programs that run on machines: Denodo nodes, HAProxy hosts, the Solution Manager's host.

Python 3.9 and its standard library only, and nothing else of this project.
"""
