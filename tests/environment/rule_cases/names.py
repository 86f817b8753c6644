"""Cases of the rules about names and tags."""

from denodo_ha.environment.rules.names import node_names_collide, reserved_cluster_names, tags
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE, cluster

ZONES = ({"zone": "eu-west-1a"}, {"zone": "eu-west-1b"})
TWO, THREE = (
    dict(zip(names, (*ZONES, ZONES[0]), strict=False)) for names in (("a1", "A.1"), "abc")
)


def _named(*names: str) -> dict[str, object]:
    """Clusters with these names."""
    return {"clusters/main": GONE, **{f"clusters/{name}": cluster() for name in names}}


def _tags(count: int) -> dict[str, str]:
    return {f"tag{number}": "value" for number in range(count)}


WRONG = (
    Wrong(
        reserved_cluster_names,
        _named("failover"),
        "clusters.failover",
        ("is a reserved name for a cluster (failover)", "ends in -failover"),
    ),
    Wrong(
        reserved_cluster_names,
        _named("main-catalog"),
        "clusters.main-catalog",
        ("is a reserved name for a cluster (main-catalog)", "ends in -catalog"),
    ),
    Wrong(
        node_names_collide,
        {"clusters/main/nodes": TWO},
        'clusters.main.nodes."A.1"',
        ("is the same name as a1 (A.1)", "DNS has no upper case"),
    ),
    Wrong(
        tags,
        {"tags": {"aws:name": "x"}},
        "tags.aws:name",
        ("begins with aws: (aws:name)", "choose another key"),
    ),
    Wrong(
        tags,
        {"tags": {"Denodo:cluster": "x"}},
        "tags.Denodo:cluster",
        ("begins with denodo: (Denodo:cluster)",),
    ),
    Wrong(
        tags,
        {"tags": _tags(47)},
        "tags",
        ("has 47 tags", "AWS allows 50 tags", "4 are this project's", "keep at most 46"),
    ),
)
RIGHT = (
    Right(reserved_cluster_names, _named("failovers", "catalog-a", "overcatalog")),
    Right(node_names_collide, {"clusters/main/nodes": THREE}),
    Right(node_names_collide, {"clusters/main/nodes": {"a1": ZONES[0], "a11": ZONES[1]}}),
    Right(tags, {"tags": _tags(46)}),
    Right(tags, {"tags": {"awsome": "", "team:aws:": "denodo:"}}),
)
