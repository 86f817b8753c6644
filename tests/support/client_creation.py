"""Cheap creation of AWS clients: what botocore derives from its service descriptions is reused."""

from collections.abc import Callable
from functools import cache
from types import MethodType
from typing import Any

import botocore.client
import botocore.hooks
import botocore.loaders
import botocore.session
import botocore.useragent
import moto.core.errors
import moto.core.responses
import pytest

_original = vars(botocore.client.ClientCreator)["_create_client_class"]
_original_model = vars(botocore.client.ClientCreator)["_load_service_model"]
_original_alias = vars(botocore.hooks.EventAliaser)["_alias_event_name"]
_classes: dict[str, Any] = {}
_models: dict[tuple[str, str | None], Any] = {}
_event_names: dict[str, str] = {}
_accepts_kwargs: Callable[[Any], Any] = cache(vars(botocore.hooks)["accepts_kwargs"])
_method_names = cache(vars(moto.core.responses)["method_names_from_class"])
_error_lookups = moto.core.errors.ErrorLookupFactory()
_sanitized = cache(vars(botocore.useragent)["sanitize_user_agent_string_component"])


@cache
def _loader(search_path: str | None = None) -> Any:
    return botocore.loaders.create_loader(search_path)


def _client_class(creator: Any, service_name: str, service_model: Any) -> Any:
    """Return the class of a service's clients, which has a method for each operation."""
    if service_name not in _classes:
        _classes[service_name] = _original(creator, service_name, service_model)
    return _classes[service_name]


def _service_model(creator: Any, service_name: str, api_version: str | None = None) -> Any:
    """Return a service's model. All clients share the model, and what they have derived from it."""
    key = service_name, api_version
    if key not in _models:
        _models[key] = _original_model(creator, service_name, api_version)
    return _models[key]


def _event_name(aliaser: Any, name: str) -> str:
    """Return the alias of an event from a cache of all sessions, since their aliases are equal."""
    vars(aliaser)["_alias_name_cache"] = _event_names
    result: str = _original_alias(aliaser, name)
    return result


def _takes_keywords(handler: Any) -> Any:
    """Return the name of a handler's keyword arguments; inspect each function once."""
    # The cache would keep the object of a bound method, so it gets the method's function.
    return _accepts_kwargs(handler.__func__ if isinstance(handler, MethodType) else handler)


def keep_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all sessions share the services' descriptions and the classes of their clients.

    A test creates several sessions. Each would load the descriptions again, would build the class
    of each client again (700 methods for EC2), and would inspect each event's name and handlers.
    moto would inspect all methods of a service in each call, which is a quarter of the call's time,
    and all errors of a service for each error.
    """
    monkeypatch.setattr(botocore.session, "create_loader", _loader)
    monkeypatch.setattr(botocore.client.ClientCreator, "_create_client_class", _client_class)
    monkeypatch.setattr(botocore.client.ClientCreator, "_load_service_model", _service_model)
    monkeypatch.setattr(botocore.hooks.EventAliaser, "_alias_event_name", _event_name)
    monkeypatch.setattr(botocore.hooks, "accepts_kwargs", _takes_keywords)
    monkeypatch.setattr(botocore.useragent, "sanitize_user_agent_string_component", _sanitized)
    monkeypatch.setattr(moto.core.responses, "method_names_from_class", _method_names)
    monkeypatch.setattr(moto.core.errors, "ErrorLookupFactory", lambda: _error_lookups)
