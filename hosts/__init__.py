"""Programs that run on Denodo nodes, on HAProxy hosts, and on the host of the Solution Manager.

The programs need only Python 3.9 or later and its standard library. They import no module of this
project from outside this folder.
"""
