"""The program of a HAProxy host: drain, enable, status, verify and reload, with HAProxy's sockets.

The program needs only Python 3.9 or later and its standard library, so only the archive of the
program is installed on a host:

    python3 -m haproxy status
"""
