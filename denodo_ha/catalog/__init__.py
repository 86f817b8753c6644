"""`denodo-ha catalog`: the metadata database and the metadata exports."""
