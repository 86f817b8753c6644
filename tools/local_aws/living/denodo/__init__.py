"""Light stand-ins for the servers and scripts of a Denodo installation, which need no Denodo."""
