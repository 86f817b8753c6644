"""Watchdog: a server that dies is started again."""
