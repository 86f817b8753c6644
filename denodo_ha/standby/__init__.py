"""`denodo-ha failover check`: whether the standby could do the work now.

Each group of lines has a module with the facts it needs, a function that reads them, and a function
that judges them without AWS. No fact is read from the active cluster's region.
"""
