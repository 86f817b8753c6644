"""Breakage of a configuration: a wrong value, a missing key or a misspelt key, at a path."""

from collections.abc import Callable
from typing import Any

from tests.support.configurations import Data, Key

Paths = tuple[Key, ...]
Breakage = Callable[[Data], Paths | None]
"""Function that breaks a valid configuration, and returns the paths at which errors may be
reported. An error must be at the first path or within it. None: the configuration has nothing that
could be broken in this way."""

C0: Key = ("clusters", "c0")
NETWORK, BALANCER, INSTANCE, NODES = (
    (*C0, key) for key in ("network", "balancer", "instance", "nodes")
)
DENODO: Key = ("denodo",)
JDBC: Key = ("services", "jdbc")
FAILOVER: Key = ("failover",)


def at(data: Data, path: Key) -> Any:
    """Return the value at a path of a configuration."""
    value: Any = data
    for part in path:
        value = value[part]
    return value


def is_bare(data: Data) -> bool:
    """Return whether the first cluster has no load balancer."""
    return bool(at(data, BALANCER)["kind"] == "none")


def first_node(data: Data) -> Key:
    """Return the path of the first node of the first cluster."""
    return (*NODES, next(iter(at(data, NODES))))


def clusters_of(data: Data) -> list[Data]:
    """Return the settings of all clusters."""
    return list(data["clusters"].values())


def path_of(*path: str | int) -> Key:
    """Return the arguments as a path of keys."""
    return path


class Put:
    """Breakage that sets a wrong value at a path, and adds missing parents of the path."""

    def __init__(self, path: Key, value: Any, *others: Key, at: Key = (), needs: Key = ()) -> None:
        self.path, self.value, self.others, self.at, self.needs = path, value, others, at, needs

    def __call__(self, data: Data) -> Paths | None:
        if self.needs and self.needs[0] not in data:
            return None
        owner: Any = data
        for part in self.path[:-1]:
            owner = owner.setdefault(part, {})
        owner[self.path[-1]] = self.value
        return (*self.path, *self.at), *self.others

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} = {str(self.value)[:40]}"


class Remove:
    """Breakage that removes a required key."""

    def __init__(self, path: Key, needs: Key = ()) -> None:
        self.path, self.needs = path, needs

    def __call__(self, data: Data) -> Paths | None:
        if self.needs and self.needs[0] not in data:
            return None
        del at(data, self.path[:-1])[self.path[-1]]
        return (self.path,)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} removed"


class Misspell:
    """Breakage that misspells a key."""

    def __init__(self, path: Key, wrong: str) -> None:
        self.path, self.wrong = path, wrong

    def __call__(self, data: Data) -> Paths | None:
        owner = at(data, self.path[:-1])
        if self.path[-1] not in owner:
            return None
        owner[self.wrong] = owner.pop(self.path[-1])
        return ((*self.path[:-1], self.wrong),)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} as {self.wrong}"


def of_first_node(key: str, value: Any) -> Breakage:
    """Return a breakage that sets a wrong value in the settings of the first node."""

    def break_it(data: Data) -> Paths:
        path = first_node(data)
        at(data, path)[key] = value
        return ((*path, key),)

    break_it.__name__ = f"node.{key} = {value}"
    return break_it


def of_service(settings: Data, *keys: str) -> Put:
    """Return a breakage that adds a wrong service; `keys` is the error's path in the service."""
    return Put(("services", "wrong"), {"port": 60001, **settings}, at=keys)


def of_failover(key: str, value: Any) -> Put:
    """Return a breakage that sets a wrong value of the failover, if there is a failover."""
    return Put((*FAILOVER, key), value, needs=FAILOVER)


def name_of(breakage: Breakage) -> str:
    """Return the test id of a breakage."""
    return getattr(breakage, "__name__", str(breakage))
