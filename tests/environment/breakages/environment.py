"""Breakages of a configuration: wrong top-level keys, and wrong clusters as a whole."""

from tests.environment.breakages.breakage import C0, Breakage, Paths, Put, path_of
from tests.support.configurations import Data, maps_by_cluster


def cluster_name(data: Data) -> Paths | None:
    if "failover" in data or maps_by_cluster(data):
        return None
    data["clusters"]["Wrong"] = data["clusters"].pop("c0")
    return (("clusters", "Wrong"),)


BREAKAGES: tuple[Breakage, ...] = (
    Put(path_of("name"), []),
    Put(path_of("name"), None),
    Put(path_of("name"), "Upper"),
    Put(path_of("name"), "x" * 25),
    Put(path_of("clusters"), {}),
    Put(path_of("clusters"), []),
    Put(C0, None),
    Put(C0, "here"),
    Put((*C0, "account"), 5),
    Put((*C0, "account"), "11112222333"),
    Put((*C0, "region"), "Ireland"),
    Put((*C0, "allow_single_zone"), "yes"),
    Put(path_of("tags"), {"aws:x": "y"}),
    Put(path_of("tags"), {"x": 5}),
    Put(path_of("tags"), {"x" * 129: "y"}),
    Put(path_of("tags"), {"x": "y" * 257}),
    Put(path_of("tags"), {f"x{number}": "y" for number in range(47)}),
    Put(path_of("solution_manager"), {"cidrs": ["10.0.0.0"]}),
    Put(path_of("solution_manager"), {"host": "http://sm.example.com"}),
    Put(path_of("license_manager"), {"port": 10091}),
    Put(path_of("permissions_boundary"), "PowerUserAccess"),
    cluster_name,
)
