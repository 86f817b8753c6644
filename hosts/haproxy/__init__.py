"""The program of a HAProxy host: drain, enable, status, verify and reload, by HAProxy's sockets.

The program needs only Python 3.9 or later and its standard library, so nothing but its archive is
installed on a host:

    python3 -m haproxy status
"""
