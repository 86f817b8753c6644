"""Living parts of the local AWS: processes that run on behalf of instances and load balancers.

They use the standard library only, and modules of the emulator that use nothing else.
"""
