"""`denodo-ha drain` and `denodo-ha enable`."""
