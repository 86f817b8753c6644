"""Operates the HAProxy of this machine by its sockets: drain, enable, status, verify, reload.

Python's standard library only, from 3.9 on, and nothing else of this project, so that the folder
runs alone on a HAProxy host under any name:

    python3 -m haproxy status
"""
