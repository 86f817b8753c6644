"""Cases of allowed settings that cause warnings, and of settings that are not supported yet."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.risks import (
    clients_behind_nat,
    deletion_protection,
    idle_on_nitro_v6,
    one_node,
    open_to_the_world,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE

BALANCER = "clusters/main/balancer"
CLIENTS = f"{BALANCER}/clients"
LONELY = {"clusters/main/nodes/node2": GONE}
IDLE = "services/jdbc"
TYPE = "clusters/main/instance/type"

WRONG = (
    Wrong(
        open_to_the_world,
        {CLIENTS: ["10.0.0.0/8", "0.0.0.0/0"]},
        "clusters.main.balancer.clients.1",
        ("allows connections from every address (0.0.0.0/0)", "write the networks of your clients"),
        severity=Severity.WARNING,
    ),
    Wrong(
        deletion_protection,
        {f"{BALANCER}/deletion_protection": GONE},
        "clusters.main.balancer",
        ("has no deletion protection", "after the first deploy, write deletion_protection: true"),
        severity=Severity.WARNING,
    ),
    Wrong(
        one_node,
        LONELY,
        "clusters.main.nodes",
        ("has only one node", "add a node in another zone"),
        severity=Severity.WARNING,
    ),
    Wrong(
        clients_behind_nat,
        {f"{BALANCER}/scheme": "internet-facing"},
        "clusters.main.balancer.clients",
        ("may include a NAT device: clients on the internet", "jdbc keep", "client_ip: false"),
        severity=Severity.WARNING,
    ),
    Wrong(
        clients_behind_nat,
        {CLIENTS: ["10.0.0.1/32"]},
        "clusters.main.balancer.clients",
        ("may include a NAT device: 10.0.0.1/32",),
        severity=Severity.WARNING,
    ),
    Wrong(
        idle_on_nitro_v6,
        {IDLE: {"port": 9999, "idle_timeout": 351}, TYPE: "m8i.xlarge"},
        "services.jdbc.idle_timeout",
        (
            "is longer than the nodes of main track an idle connection (351)",
            "m8i.xlarge",
            "350 s by default",
        ),
        severity=Severity.WARNING,
    ),
)
RIGHT = (
    Right(open_to_the_world, {CLIENTS: ["0.0.0.0/1", "128.0.0.0/1"]}),
    Right(deletion_protection, {f"{BALANCER}/deletion_protection": True}),
    Right(deletion_protection, {**LONELY, BALANCER: {"kind": "none", "clients": ["10.0.0.0/8"]}}),
    Right(one_node, {}),
    Right(clients_behind_nat, {CLIENTS: ["10.0.0.0/31"]}),
    Right(
        clients_behind_nat,
        {f"{BALANCER}/scheme": "internet-facing", IDLE: {"port": 9999, "client_ip": False}},
    ),
    Right(clients_behind_nat, {CLIENTS: ["10.0.0.1/32"], f"{BALANCER}/cross_zone": False}),
    # There is no other setting.
    Right(
        clients_behind_nat,
        {
            CLIENTS: ["10.0.0.1/32"],
            IDLE: {"port": 9999, "client_ip": False},
            "services/web": {"port": 9090, "sticky": "cookie"},
        },
    ),
    Right(idle_on_nitro_v6, {IDLE: {"port": 9999, "idle_timeout": 350}, TYPE: "m8i.xlarge"}),
    Right(idle_on_nitro_v6, {IDLE: {"port": 9999, "idle_timeout": 6000}, TYPE: "m7i.xlarge"}),
    Right(idle_on_nitro_v6, {IDLE: {"port": 9999, "idle_timeout": 6000}, TYPE: "m8g.xlarge"}),
    Right(
        idle_on_nitro_v6,
        # HAProxy sends keep-alive packets.
        {
            TYPE: "m8i.xlarge",
            IDLE: {"port": 9999, "idle_timeout": 6000},
            f"{BALANCER}/kind": "haproxy",
        },
        deploying=False,
    ),
    Right(
        clients_behind_nat,
        # HAProxy does not preserve the client's address.
        {CLIENTS: ["10.0.0.1/32"], f"{BALANCER}/kind": "haproxy"},
        deploying=False,
    ),
)
