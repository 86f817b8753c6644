"""Module that Python imports at each start, because a machine has this folder in PYTHONPATH."""

import importlib

importlib.import_module("machine_network").install()
