"""Cases of allowed settings that cause warnings, and of settings that are not supported yet."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.risks import (
    clients_behind_nat,
    deletion_protection,
    idle_below_query_timeout,
    idle_on_nitro_v6,
    one_node,
    open_to_the_world,
    public_without_tls,
    shared_manager,
    shared_switch,
    web_not_sticky,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import ACCOUNT, GONE, twins

BALANCER = "clusters/main/balancer"
CLIENTS = f"{BALANCER}/clients"
LONELY = {"clusters/main/nodes/node2": GONE}
IDLE = "services/jdbc"
LONG = {"port": 9999, "idle_timeout": 900}
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:tls-AbCdEf"
TCP = f"{BALANCER}/haproxy/timeouts"
TYPE = "clusters/main/instance/type"

WRONG = (
    Wrong(
        shared_switch,
        {},
        "failover",
        ("(Denodo/Failover)", "write switch_namespace: Denodo/Failover/test"),
        base=twins,
        severity=Severity.WARNING,
    ),
    Wrong(
        shared_switch,
        {"failover/switch_namespace": "Denodo/Failover"},
        "failover.switch_namespace",
        ("in the namespace that all environments share (Denodo/Failover)",),
        base=twins,
        severity=Severity.WARNING,
    ),
    Wrong(
        shared_manager,
        {"license_manager/host": "sm.example.com"},
        "license_manager.host",
        ("the same host for both sites", "main and spare", "below clusters: spare"),
        base=twins,
        severity=Severity.WARNING,
    ),
    Wrong(
        shared_manager,
        {
            "license_manager/host": "lm.example.com",
            "clusters/spare/license_manager/host": "other.example.com",
            "solution_manager/host": "sm.example.com",
            "clusters/spare/solution_manager/host": "SM.example.com",
        },
        "clusters.spare.solution_manager.host",
        ("no promotion reaches either site",),
        base=twins,
        severity=Severity.WARNING,
    ),
    Wrong(
        web_not_sticky,
        {"services/web": 9090},
        "services.web",
        ("main has 2 nodes", "write sticky: cookie"),
        severity=Severity.WARNING,
    ),
    Wrong(
        public_without_tls,
        {f"{BALANCER}/scheme": "internet-facing"},
        "services.jdbc",
        ("clear text", "main is internet-facing", "denodo.tls"),
        severity=Severity.WARNING,
    ),
    Wrong(
        public_without_tls,
        # With `denodo.tls`, the web container still serves HTTP.
        {
            f"{BALANCER}/scheme": "internet-facing",
            "denodo/tls": {"secret": SECRET},
            "services/web": 9090,
        },
        "services.web",
        ("clear text", "write tls for this service, or node_port: 9443"),
        severity=Severity.WARNING,
    ),
    Wrong(
        idle_below_query_timeout,
        {},
        "services.jdbc",
        ("idle for 350 s", "a query may run for 900 s", "write idle_timeout: 900 or more"),
        severity=Severity.WARNING,
    ),
    Wrong(
        idle_below_query_timeout,
        {"services/odbc": {"port": 9996, "idle_timeout": 899}, IDLE: {**LONG}},
        "services.odbc.idle_timeout",
        ("idle for 899 s (899)",),
        severity=Severity.WARNING,
    ),
    Wrong(
        idle_below_query_timeout,
        {f"{BALANCER}/kind": "haproxy", TCP: {"tcp": 600}},
        "clusters.main.balancer.haproxy.timeouts.tcp",
        ("idle for 600 s (600)", "write tcp: 900 or more"),
        severity=Severity.WARNING,
        deploying=False,
    ),
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
            "is longer than the time for which the nodes of main track an idle connection (351)",
            "m8i.xlarge",
            "350 s by default",
        ),
        severity=Severity.WARNING,
    ),
)
RIGHT = (
    Right(shared_switch, {"failover/switch_namespace": "Denodo/Failover/test"}, base=twins),
    Right(
        shared_manager,
        {
            "license_manager/host": "lm.example.com",
            "clusters/spare/license_manager/host": "other.example.com",
            "solution_manager/cidrs": ["10.9.0.0/24"],
        },
        base=twins,
    ),
    Right(shared_manager, {"clusters/spare/license_manager/host": "x.example.com"}, base=twins),
    Right(web_not_sticky, {"services/web": {"port": 9090, "sticky": True}}),
    Right(web_not_sticky, {"services/web": 9090, **LONELY}),
    Right(
        public_without_tls,
        {
            f"{BALANCER}/scheme": "internet-facing",
            "denodo/tls": {"secret": SECRET},
        },
    ),
    Right(public_without_tls, {}),
    Right(
        public_without_tls,
        # HAProxy ends TLS of this service, although no port of the service is a TLS port.
        {
            f"{BALANCER}/scheme": "internet-facing",
            f"{BALANCER}/kind": "haproxy",
            f"{BALANCER}/haproxy": {"tls": {"mode": "terminate", "services": ["web"]}},
            "services": {"web": {"port": 443, "node_port": 9090}},
        },
        deploying=False,
    ),
    Right(idle_below_query_timeout, {IDLE: {**LONG}}),
    Right(idle_below_query_timeout, {f"{BALANCER}/kind": "haproxy"}, deploying=False),
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
    # No warning: `client_ip: false`, cookies and cross-zone off, which the warning recommends, are
    # set.
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
        # No warning about idle connections: HAProxy sends keep-alive packets.
        {
            TYPE: "m8i.xlarge",
            IDLE: {"port": 9999, "idle_timeout": 6000},
            f"{BALANCER}/kind": "haproxy",
        },
        deploying=False,
    ),
    Right(
        clients_behind_nat,
        # No warning about client addresses: HAProxy does not preserve the addresses.
        {CLIENTS: ["10.0.0.1/32"], f"{BALANCER}/kind": "haproxy"},
        deploying=False,
    ),
)
