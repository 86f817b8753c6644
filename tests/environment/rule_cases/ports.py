"""Cases of the rules about service, auxiliary and management ports."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.ports import (
    auxiliary_port_free,
    auxiliary_port_given,
    private_ports,
    service_ports_unique,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE, minimal, twins

V7, V8, V9 = (partial(minimal, version) for version in ("7.0", "8.0", "9.0"))
PAIR7 = partial(twins, "7.0")
NODE1, NODE2 = (f"clusters/main/nodes/node{number}/auxiliary_port" for number in (1, 2))

WRONG = (
    Wrong(
        service_ports_unique,
        {"services": {"jdbc": 9999, "odbc": {"port": 9999, "node_port": 9996}}},
        "services.odbc.port",
        (
            "is the port of jdbc too (9999)",
            "one listener for each port",
            "with node_port, the service keeps its port on the nodes",
        ),
    ),
    Wrong(
        service_ports_unique,
        {"services": {"jdbc": 9999, "odbc": 9999}},
        "services.odbc.port",
        ("is the port of jdbc too (9999)",),
    ),
    Wrong(
        private_ports,
        {"services/stop": 9998},
        "services.stop.port",
        ("is the port of the nodes for Virtual DataPort shutdown (9998)", "on a balancer"),
        severity=Severity.WARNING,
    ),
    Wrong(
        private_ports,
        {"services/jmx": {"port": 1234, "node_port": 9997}},
        "services.jmx.node_port",
        ("is the port of the nodes for Virtual DataPort JMX registry (9997)",),
        severity=Severity.WARNING,
    ),
    Wrong(
        auxiliary_port_given,
        {NODE2: GONE},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is missing", "opens its second connection", "add auxiliary_port"),
        base=V7,
    ),
    Wrong(
        auxiliary_port_given,
        {NODE1: 19997},
        "clusters.main.nodes.node1.auxiliary_port",
        (
            "is not allowed for this version of Denodo (19997)",
            "a Denodo 8.0 client",
            "remove auxiliary_port",
        ),
        base=V8,
    ),
    Wrong(
        auxiliary_port_given,
        # 9999 is also a port of Denodo, but the only error is that the key is not allowed.
        {NODE1: 9999},
        "clusters.main.nodes.node1.auxiliary_port",
        ("is not allowed for this version of Denodo (9999)", "a Denodo 9.0 client"),
        base=V9,
    ),
    Wrong(
        auxiliary_port_free,
        {NODE2: 19997},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is the port of node node1 too (19997)", "choose a free port"),
        base=V7,
    ),
    Wrong(
        auxiliary_port_free,
        {"services/other": 29997},
        "clusters.main.nodes.node2.auxiliary_port",
        (
            "is the port of service other too (29997)",
            "cannot lead both to all nodes and to a single node",
        ),
        base=V7,
    ),
    Wrong(
        auxiliary_port_free,
        {"services/other": {"port": 1234, "node_port": 29997}},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is the port of service other too (29997)",),
        base=V7,
    ),
    Wrong(
        auxiliary_port_free,
        {NODE2: 9998},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is the port of Virtual DataPort shutdown too (9998)", "a server of Denodo"),
        base=V7,
    ),
    Wrong(
        auxiliary_port_free,
        {NODE2: 8000},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is the port of Scheduler too (8000)",),
        base=V7,
    ),
    Wrong(
        auxiliary_port_free,
        {NODE2: 9191},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is the port of readiness endpoint too (9191)",),
        base=V7,
    ),
    Wrong(
        auxiliary_port_free,
        {"services/other": {"port": 29997, "node_port": 1234}},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is the port of service other too (29997)",),
        base=V7,
    ),
    Wrong(
        auxiliary_port_given,
        # Two missing ports are not reported as equal ports.
        {NODE1: GONE, NODE2: GONE},
        "clusters.main.nodes.node2.auxiliary_port",
        ("is missing",),
        base=V7,
        others=1,
    ),
)
RIGHT = (
    # Several services may use the same port of the nodes.
    Right(service_ports_unique, {"services/batch": {"port": 19999, "node_port": 9999}}),
    Right(private_ports, {"services/tls": 9443, "services/other": 8001}),
    Right(private_ports, {"services/mine": {"port": 9998, "node_port": 1234}}),
    # In 7.0, port 9997 is not a private port: 7.0 has no separate JMX ports.
    Right(private_ports, {"services/mine": 9997}, base=V7),
    Right(auxiliary_port_given, {}, base=V7),
    Right(auxiliary_port_given, {}, base=V8),
    Right(auxiliary_port_given, {}, base=V9),
    # 9997 is Denodo's default for the auxiliary port; 9995 is free, since 7.0 has no JMX ports.
    Right(auxiliary_port_free, {NODE1: 9997, NODE2: 9995}, base=V7),
    Right(auxiliary_port_free, {NODE1: 1, NODE2: 65535}, base=V7),
    # The two clusters have equal auxiliary ports, which must be unique within a cluster only.
    Right(auxiliary_port_free, {}, base=PAIR7),
)
