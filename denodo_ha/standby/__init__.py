"""`denodo-ha failover check`: judge whether the standby could take over now.

Each module `*_line` or `*_lines` contains the facts for some lines of the output, a function that
reads these facts from AWS, and a function that judges the facts without AWS. No fact is read from
the active cluster's region.
"""
