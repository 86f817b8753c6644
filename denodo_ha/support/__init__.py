"""`denodo-ha support`: write one archive with the data that a colleague needs to find a fault."""
