"""RDS of the local AWS: database instances, their backups, and their servers."""
