"""Rules about names and tags."""

import re
from collections.abc import Iterator

from config import limits, metadata
from config.model import Environment
from config.problem import Problem

RESERVED_ENDINGS = ("-failover", metadata.STACK_ENDING)
"""What other stacks of an environment are called after its name or a cluster's."""


def reserved_cluster_names(environment: Environment) -> Iterator[Problem]:
    """A cluster's stack must not have the name of another stack."""
    for name in environment.clusters:
        ending = next((end for end in RESERVED_ENDINGS if f"-{name}".endswith(end)), None)
        if ending:
            yield Problem(
                ("clusters", name),
                "is a reserved name for a cluster",
                f"another stack of the environment ends in {ending}",
                "choose another name, like active",
                value=name,
                at_key=True,
            )


def node_names_collide(environment: Environment) -> Iterator[Problem]:
    """Names must differ in letters and digits, which is what outputs and DNS keep of them."""
    for cluster_name, cluster in environment.clusters.items():
        seen: dict[str, str] = {}
        for name in cluster.nodes:
            bare = re.sub(r"[^a-z0-9]", "", name.lower())
            if bare in seen:
                yield Problem(
                    ("clusters", cluster_name, "nodes", name),
                    f"is the same name as {seen[bare]}",
                    "output names keep letters and digits only, and DNS has no upper case",
                    "give the nodes names that differ in a letter or digit",
                    value=name,
                    at_key=True,
                )
            seen.setdefault(bare, name)


def tags(environment: Environment) -> Iterator[Problem]:
    """Tags must be ones that AWS accepts and that this project does not set itself."""
    for key in environment.tags:
        prefix = next((one for one in ("aws:", "denodo:") if key.lower().startswith(one)), None)
        if prefix or key == "Name":
            yield Problem(
                ("tags", key),
                f"begins with {prefix}" if prefix else "is each resource's own name",
                "AWS and this project keep these tags for themselves",
                "choose another key",
                value=key,
                at_key=True,
            )
    own = 4
    room = limits.TAGS_PER_RESOURCE.value - own
    if len(environment.tags) > room:
        yield Problem(
            ("tags",),
            f"has {len(environment.tags)} tags",
            f"AWS allows {limits.TAGS_PER_RESOURCE}, and {own} are this project's",
            f"keep at most {room}",
        )


RULES = (reserved_cluster_names, node_names_collide, tags)
