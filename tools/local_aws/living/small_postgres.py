"""Settings with which a PostgreSQL server takes little memory, and does nothing without clients."""

from typing import Final

SETTINGS: Final = """\
shared_buffers = 16MB
fsync = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
bgwriter_delay = 10s
wal_writer_delay = 10s
checkpoint_timeout = 1h
"""
