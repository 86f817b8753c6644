"""Cases of the rules about the servers on the nodes."""

from functools import partial
from typing import Any

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.denodo import (
    desired_state_size,
    features_of_version,
    flight_exists,
    heap_fits_memory,
    heap_or_jvm_options,
    metadata_import,
    no_dynamic_references,
    node_ports_unique,
    node_secret_locations,
    options_needing_program,
    rmi_host_reachable,
    service_has_server,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import ACCOUNT, GONE, OTHER_ACCOUNT, Data, minimal, twins

V7, V9 = partial(minimal, "7.0"), partial(minimal, "9.0")
SHARED: Data = {"clusters/main/catalog": {}}
"""A metadata database, which several nodes with a Scheduler or a Data Catalog need."""
TOKEN, METADATA = "denodo/security_token", "denodo/metadata"
SERVERS = "denodo/servers"
EXPORT = "s3://denodo-metadata/export.vql"
TYPE = "clusters/main/instance/type"
SCHEDULER = {"services/scheduler": 8000}


def arn(name: str = "one", *, region: str = "eu-west-1", account: str = ACCOUNT) -> str:
    """Return the ARN of a secret."""
    return f"arn:aws:secretsmanager:{region}:{account}:secret:denodo/{name}-AbCdEf"


def full(length: int) -> dict[str, Any]:
    """Return changes: many services, and JVM options of this length for each server."""
    services = {f"s{number:014}": 20_001 + number for number in range(48)}
    return {
        "services": {"jdbc": 9999, **services},
        "denodo/jvm": dict.fromkeys(("vdp", "web", "scheduler"), '"' * (length // 2)),
    }


ALONE: dict[str, Any] = {
    "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
    "clusters/main/nodes/node2": GONE,
}

WRONG = (
    Wrong(
        features_of_version,
        {"denodo/readiness": "strict"},
        "denodo.readiness",
        ("is not for Denodo 7.0", "remove this setting"),
        base=V7,
    ),
    Wrong(
        rmi_host_reachable,
        {"denodo/rmi_host": "node"},
        "denodo.rmi_host",
        (
            ("is not allowed for Denodo 7.0 behind a balancer"),
            "bypass the balancer",
            "write balancer",
        ),
        base=V7,
    ),
    Wrong(
        rmi_host_reachable,
        {"denodo/rmi_host": "balancer", **ALONE},
        "denodo.rmi_host",
        ("is not possible for the cluster main", "write node"),
        base=V9,
    ),
    Wrong(
        rmi_host_reachable,
        {"denodo/rmi_host": "balancer"},
        "denodo.rmi_host",
        ("directs JMX to the balancer", "Solution Manager"),
        base=V9,
        severity=Severity.WARNING,
    ),
    Wrong(
        flight_exists,
        {"services/flight": 9994},
        "services.flight",
        ("needs Denodo 9.1", 'write version: "9.1"'),
        base=V9,
        severity=Severity.WARNING,
    ),
    Wrong(
        no_dynamic_references,
        {"denodo/jvm": {"web": "-Dkey={{resolve:ssm:name}}"}},
        "denodo.jvm.web",
        ("contains {{ or }}", "SSM parameter", "remove the double braces"),
    ),
    Wrong(
        no_dynamic_references,
        {
            **SHARED,
            "clusters/main/catalog": {
                "settings": {"scheduler": {"entries": {"somekey": "a}}b"}}},
            },
        },
        "clusters.main.catalog.settings.scheduler.entries.somekey",
        ("contains {{ or }}",),
        base=twins,
    ),
    Wrong(
        features_of_version,
        {"denodo/tls": {"secret": arn()}},
        "denodo.tls",
        ("is not for Denodo 7.0", "Denodo 7.0 does not have this feature", "remove this setting"),
        base=V7,
    ),
    Wrong(
        features_of_version,
        {TOKEN: arn()},
        "denodo.security_token",
        ("is not for Denodo 7.0", "remove this setting"),
        base=V7,
    ),
    Wrong(
        features_of_version,
        {METADATA: {"source": "catalog"}},
        "denodo.metadata.source",
        (
            "is not for Denodo 7.0 (catalog)",
            "stores its metadata only on the node",
            "write manual or export",
        ),
        base=V7,
    ),
    Wrong(
        features_of_version,
        {METADATA: "catalog"},
        "denodo.metadata.source",
        ("is not for Denodo 7.0 (catalog)",),
        base=V7,
    ),
    Wrong(
        features_of_version,
        {SERVERS: ["vdp", "design-studio"]},
        "denodo.servers.1",
        ("is not for Denodo 7.0 (design-studio)", "remove this setting"),
        base=V7,
    ),
    *(
        Wrong(
            options_needing_program,
            {"denodo/program": False, f"denodo/{key}": value},
            f"denodo.{key}",
            ("would be ignored", "remove this key, or remove program: false"),
        )
        for key, value in {
            "home": "/opt/denodo",
            "user": "denodo",
            "servers": ["vdp"],
            "heap_gib": 8,
            "jvm": {"web": "-Xmx2g"},
            "tls": {"secret": arn()},
            "security_token": arn(),
            "metadata": "manual",
            "signal": "ready",
            "start_limit": 1200,
            "stop_limit": 900,
        }.items()
    ),
    Wrong(
        metadata_import,
        {METADATA: {"source": "export", "uri": EXPORT}},
        "denodo.metadata.login",
        (
            "is missing",
            "nodes import the export at uri, as the user of Virtual DataPort whose secret is login",
            "add login",
        ),
    ),
    Wrong(
        metadata_import,
        {METADATA: {"source": "export", "login": arn()}},
        "denodo.metadata.uri",
        ("is missing", "add uri"),
    ),
    Wrong(
        metadata_import,
        {METADATA: {"source": "manual", "uri": EXPORT}},
        "denodo.metadata.uri",
        (
            "is not for source: manual",
            "metadata is imported only with source: export",
            "or write source: export",
        ),
    ),
    Wrong(
        metadata_import,
        {METADATA: {"source": "catalog", "login": arn()}},
        "denodo.metadata.login",
        ("is not for source: catalog",),
    ),
    Wrong(
        node_secret_locations,
        {TOKEN: {"main": arn(), "mian": arn()}},
        "denodo.security_token.mian",
        ("is not the name of a cluster (mian)", "write one of main"),
    ),
    Wrong(
        node_secret_locations,
        {"denodo/tls": {"secret": {"main": arn()}}},
        "denodo.tls.secret",
        (
            "names no secret for spare",
            f"add spare: arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:",
        ),
        base=twins,
    ),
    Wrong(
        node_secret_locations,
        {TOKEN: arn()},
        "denodo.security_token",
        (
            (
                f"is not a secret of account {ACCOUNT} in us-east-1, where the cluster spare is "
                f"({arn()})"
            ),
            "write a map from each cluster to the ARN of its secret, which may be a replica",
        ),
        base=twins,
    ),
    Wrong(
        node_secret_locations,
        {TOKEN: {"main": arn(account=OTHER_ACCOUNT)}},
        "denodo.security_token.main",
        (
            f"is not a secret of account {ACCOUNT} in eu-west-1",
            "write the ARN of main's own secret",
        ),
    ),
    Wrong(
        node_secret_locations,
        {METADATA: {"source": "export", "uri": EXPORT, "login": arn(region="eu-west-2")}},
        "denodo.metadata.login",
        (f"is not a secret of account {ACCOUNT} in eu-west-1",),
    ),
    Wrong(
        node_ports_unique,
        {"services/odbc": {"port": 1234, "node_port": 9999}},
        "services.odbc.node_port",
        (
            "is also the port of another server of the node (9999)",
            "vdp and odbc would have this port",
            "write a free port as node_port",
        ),
    ),
    Wrong(
        node_ports_unique,
        {"services/web": {"port": 443, "node_port": 9191}},
        "services.web.node_port",
        ("is also the port of another server of the node (9191)", "web and ready would have"),
    ),
    Wrong(
        node_ports_unique,
        # The two ports conflict on the nodes only: on the load balancer, one listener uses port
        # 9998.
        {"services": {"jdbc": 9998}},
        "services.jdbc.port",
        ("is also the port of another server of the node (9998)", "vdp and shutdown would have"),
    ),
    Wrong(
        node_ports_unique,
        {"services/odbc": {"port": 1234, "node_port": 8000}},
        "services.odbc.node_port",
        ("odbc and scheduler would have",),
    ),
    Wrong(
        node_ports_unique,
        {"services/jdbc": 9995},
        "services.jdbc.port",
        ("vdp and jmx_factory would have",),
        base=V9,
    ),
    Wrong(
        service_has_server,
        SCHEDULER,
        "services.scheduler",
        (
            "has no server on the nodes",
            "the nodes start vdp, data-catalog, so the service would never be ready in main",
            (
                "add the server to denodo.servers, remove the service, or give the service another "
                "health check"
            ),
        ),
    ),
    Wrong(
        service_has_server,
        {"services/web": 9090, SERVERS: ["vdp", "scheduler"], **SHARED},
        "services.web",
        ("has no server on the nodes", "the nodes start vdp, scheduler"),
    ),
    Wrong(
        service_has_server,
        {"services": {"portal": {"port": 443, "node_port": 9443}}, SERVERS: ["vdp"]},
        "services.portal",
        ("has no server on the nodes",),
    ),
    Wrong(
        service_has_server,
        {SERVERS: ["data-catalog"], **SHARED},
        "services.jdbc",
        ("has no server on the nodes", "the nodes start data-catalog"),
    ),
    Wrong(
        service_has_server,
        # A service counts as ODBC if it uses ODBC's port, even with another name.
        {"services": {"bi": 9996}, SERVERS: ["scheduler"], **SHARED},
        "services.bi",
        ("has no server on the nodes",),
    ),
    Wrong(
        service_has_server,
        # One cluster has TCP checks, the other readiness checks.
        {**SCHEDULER, "clusters/main/balancer/health": {"protocol": "tcp"}},
        "services.scheduler",
        ("would never be ready in spare",),
        base=twins,
    ),
    Wrong(
        heap_fits_memory,
        {TYPE: "x2idn.16xlarge"},
        "clusters.main.instance.type",
        (
            "is a type whose memory size this project does not know (x2idn.16xlarge)",
            "keeps the size that is set in the image",
            "add denodo.heap_gib",
        ),
        severity=Severity.NOTE,
    ),
    Wrong(
        heap_fits_memory,
        {"clusters/main/nodes/node2/instance": {"type": "m4.xlarge"}},
        "clusters.main.nodes.node2.instance.type",
        ("is a type whose memory size this project does not know (m4.xlarge)",),
        severity=Severity.NOTE,
    ),
    Wrong(
        heap_fits_memory,
        {"denodo/heap_gib": 16},
        "denodo.heap_gib",
        (
            "is not less than the 16 GiB of memory of m5.xlarge (16)",
            "a heap of 8 GB needs 16 GB of memory",
            "write 8, or choose a larger type",
        ),
    ),
    Wrong(
        heap_fits_memory,
        {"denodo/heap_gib": 15, "clusters/main/nodes/node2/instance": {"type": "m5.large"}},
        "denodo.heap_gib",
        ("is not less than the 8 GiB of memory of m5.large (15)", "write 4"),
    ),
    Wrong(
        heap_or_jvm_options,
        {"denodo/heap_gib": 8, "denodo/jvm": {"vdp": "-Xmx6g"}},
        "denodo.heap_gib",
        ("has no effect with jvm.vdp (8)", "remove heap_gib, and write -Xmx8192m into jvm.vdp"),
    ),
    Wrong(
        desired_state_size,
        full(1450),
        "clusters.main.nodes.node1",
        (
            "bytes of an advanced parameter, and AWS allows 8192",
            "AWS, Managing parameter tiers",
            "remove services, or shorten denodo.jvm",
        ),
    ),
)
RIGHT = (
    Right(rmi_host_reachable, {"denodo/rmi_host": "balancer"}, base=V7),
    Right(rmi_host_reachable, {"denodo/rmi_host": "node"}, base=V9),
    Right(rmi_host_reachable, {}, base=V9),
    Right(flight_exists, {"denodo/version": "9.1", "services/flight": 9994}),
    Right(flight_exists, {"denodo/version": "9.10", "services/flight": 9994}),
    Right(flight_exists, {"services/own": 9993}, base=V9),
    Right(features_of_version, {"denodo/readiness": "ping"}, base=V7),
    Right(features_of_version, {"denodo/readiness": "strict"}),
    Right(no_dynamic_references, {"denodo/jvm": {"web": "-Dkey={one}"}}),
    Right(features_of_version, {METADATA: {"source": "export", "uri": EXPORT, "login": arn()}}, V7),
    Right(
        features_of_version, {"denodo/tls": {"secret": arn()}, TOKEN: arn(), METADATA: "catalog"}
    ),
    Right(features_of_version, {SERVERS: ["vdp", "design-studio"]}),
    Right(options_needing_program, {"denodo/program": False}),
    Right(options_needing_program, {"denodo/program": True, "denodo/user": "other"}),
    Right(metadata_import, {METADATA: {"source": "export", "uri": EXPORT, "login": arn()}}),
    Right(metadata_import, {METADATA: "catalog"}),
    Right(metadata_import, {METADATA: "manual"}),
    Right(node_secret_locations, {"denodo/tls": {"secret": arn()}, TOKEN: arn("two")}),
    Right(
        node_secret_locations,
        {TOKEN: {"main": arn(), "spare": arn(region="us-east-1")}},
        base=twins,
    ),
    # The region of the secret does not matter, since existing instances do not use this secret.
    Right(node_secret_locations, {TOKEN: arn(region="us-east-1")}, base=exists),
    Right(node_ports_unique, {"services/odbc": {"port": 1234, "node_port": 9996}}),
    # Two services may use the same port of the nodes: two listeners then lead to the same server.
    Right(node_ports_unique, {"services/batch": {"port": 1234, "node_port": 9999}}),
    # 7.0 has no JMX ports, so 9997 is free on the nodes. Another rule checks ports of the load
    # balancer.
    Right(node_ports_unique, {"services/odbc": 9997}, base=V7),
    Right(
        node_ports_unique,
        {"denodo/program": False, "services/odbc": {"port": 1234, "node_port": 9999}},
    ),
    Right(node_ports_unique, {"services/odbc": {"port": 1234, "node_port": 9999}}, base=exists),
    Right(service_has_server, {**SCHEDULER, SERVERS: ["vdp", "scheduler"], **SHARED}),
    Right(service_has_server, {"services/web": 9090, SERVERS: ["vdp", "scheduler-admin"]}),
    Right(
        service_has_server,
        {"services/scheduler": {"port": 8000, "health": {"protocol": "tcp"}}},
    ),
    Right(service_has_server, {**SCHEDULER, "clusters/main/balancer/health": {"port": 8000}}),
    Right(service_has_server, {**SCHEDULER, "denodo/program": False}),
    Right(service_has_server, SCHEDULER, base=exists),
    Right(
        service_has_server,
        {
            **SCHEDULER,
            "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
            "clusters/main/nodes/node2": GONE,
        },
    ),
    # A service on a port that Denodo does not use gets a TCP check.
    Right(service_has_server, {"services/mine": 1234, SERVERS: ["vdp"]}),
    Right(heap_fits_memory, {}),
    Right(heap_fits_memory, {"denodo/heap_gib": 15}),
    Right(heap_fits_memory, {TYPE: "x2idn.16xlarge", "denodo/heap_gib": 512}),
    Right(heap_fits_memory, {TYPE: "x2idn.16xlarge", "denodo/jvm": {"vdp": "-Xmx512g"}}),
    Right(heap_fits_memory, {TYPE: "x2idn.16xlarge", "denodo/program": False}),
    Right(heap_or_jvm_options, {"denodo/heap_gib": 8, "denodo/jvm": {"web": "-Xmx2g"}}),
    Right(heap_or_jvm_options, {"denodo/jvm": {"vdp": "-Xmx8g"}}),
    Right(desired_state_size, full(1300)),
    Right(desired_state_size, full(1450), base=exists),
    Right(options_needing_program, {"denodo/program": False, "denodo/heap_gib": None}),
)
