"""Cheap creation of AWS clients: what botocore derives from its service descriptions is kept."""

from functools import cache
from typing import Any

import botocore.client
import botocore.loaders
import botocore.session
import pytest

_original = vars(botocore.client.ClientCreator)["_create_client_class"]
_classes: dict[str, Any] = {}


@cache
def _loader(search_path: str | None = None) -> Any:
    return botocore.loaders.create_loader(search_path)


def _client_class(creator: Any, service_name: str, service_model: Any) -> Any:
    """Return the class of a service's clients, which has a method for each operation."""
    if service_name not in _classes:
        _classes[service_name] = _original(creator, service_name, service_model)
    return _classes[service_name]


def keep_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all sessions share the services' descriptions and the classes of their clients.

    A test creates several sessions. Each would load the descriptions again, and would build the
    class of each client again: 700 methods for EC2.
    """
    monkeypatch.setattr(botocore.session, "create_loader", _loader)
    monkeypatch.setattr(botocore.client.ClientCreator, "_create_client_class", _client_class)
