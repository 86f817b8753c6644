"""Programs that run on machines: Denodo nodes, HAProxy hosts, the Solution Manager's host.

The programs need only Python 3.9 or later and its standard library. They import nothing of this
project outside this folder.
"""
