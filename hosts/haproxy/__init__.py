"""The program of a HAProxy host: drain, enable, status, verify and reload by HAProxy's sockets.

It runs on Python 3.9 or later with the standard library only, so its archive works alone on a
host:

    python3 -m haproxy status
"""
