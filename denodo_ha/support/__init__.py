"""`denodo-ha support`: one archive with what a colleague needs to find a fault."""
