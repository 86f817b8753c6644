"""Types of the fixtures in `conftest.py`."""

from collections.abc import Callable

from typer.testing import Result

Go = Callable[..., Result]
"""Function that runs `denodo-ha failover …` with the AWS that its first argument simulates."""
