"""Cases of the rules about what runs on the nodes."""

from functools import partial
from typing import Any

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.denodo import (
    heap_fits,
    heap_given_once,
    import_known,
    node_ports_differ,
    of_later_versions,
    parameter_quota,
    secrets_in_place,
    served_by_somebody,
    set_up_by_nobody,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import ACCOUNT, GONE, OTHER_ACCOUNT, Data, minimal, twins

V7, V9 = partial(minimal, "7.0"), partial(minimal, "9.0")
SHARED: Data = {"clusters/main/catalog": {}}
"""What several nodes with a Scheduler or a Data Catalog must have."""
TOKEN, METADATA = "denodo/security_token", "denodo/metadata"
SERVERS = "denodo/servers"
EXPORT = "s3://denodo-metadata/export.vql"
TYPE = "clusters/main/instance/type"
SCHEDULER = {"services/scheduler": 8000}


def arn(name: str = "one", *, region: str = "eu-west-1", account: str = ACCOUNT) -> str:
    """ARN of a secret."""
    return f"arn:aws:secretsmanager:{region}:{account}:secret:denodo/{name}-AbCdEf"


def full(length: int) -> dict[str, Any]:
    """A state with many services, and so many bytes of options for each server."""
    services = {f"s{number:014}": 20_001 + number for number in range(48)}
    return {
        "services": {"jdbc": 9999, **services},
        "denodo/jvm": dict.fromkeys(("vdp", "web", "scheduler"), '"' * (length // 2)),
    }


WRONG = (
    Wrong(
        of_later_versions,
        {"denodo/tls": {"secret": arn()}},
        "denodo.tls",
        ("is not for 7.0", "Denodo 7.0 has no such thing", "remove it"),
        base=V7,
    ),
    Wrong(
        of_later_versions,
        {TOKEN: arn()},
        "denodo.security_token",
        ("is not for 7.0", "remove it"),
        base=V7,
    ),
    Wrong(
        of_later_versions,
        {METADATA: {"source": "catalog"}},
        "denodo.metadata.source",
        ("is not for 7.0 (catalog)", "keeps its catalog to itself", "write manual or export"),
        base=V7,
    ),
    Wrong(
        of_later_versions,
        {METADATA: "catalog"},
        "denodo.metadata.source",
        ("is not for 7.0 (catalog)",),
        base=V7,
    ),
    Wrong(
        of_later_versions,
        {SERVERS: ["vdp", "design-studio"]},
        "denodo.servers.1",
        ("is not for 7.0 (design-studio)", "remove it"),
        base=V7,
    ),
    *(
        Wrong(
            set_up_by_nobody,
            {"denodo/program": False, f"denodo/{key}": value},
            f"denodo.{key}",
            ("would be read by nobody", "remove it, or program: false"),
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
        import_known,
        {METADATA: {"source": "export", "uri": EXPORT}},
        "denodo.metadata.login",
        ("is missing", "an export is imported from a file, by a user", "add login"),
    ),
    Wrong(
        import_known,
        {METADATA: {"source": "export", "login": arn()}},
        "denodo.metadata.uri",
        ("is missing", "add uri"),
    ),
    Wrong(
        import_known,
        {METADATA: {"source": "manual", "uri": EXPORT}},
        "denodo.metadata.uri",
        ("is not for source: manual", "only an export is imported", "or write source: export"),
    ),
    Wrong(
        import_known,
        {METADATA: {"source": "catalog", "login": arn()}},
        "denodo.metadata.login",
        ("is not for source: catalog",),
    ),
    Wrong(
        secrets_in_place,
        {TOKEN: {"main": arn(), "mian": arn()}},
        "denodo.security_token.mian",
        ("is no cluster (mian)", "write one of main"),
    ),
    Wrong(
        secrets_in_place,
        {"denodo/tls": {"secret": {"main": arn()}}},
        "denodo.tls.secret",
        (
            "names no secret for spare",
            f"add spare: arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:",
        ),
        base=twins,
    ),
    Wrong(
        secrets_in_place,
        {TOKEN: arn()},
        "denodo.security_token",
        (
            f"is not of {ACCOUNT} in us-east-1, where spare is ({arn()})",
            "write a map: cluster to the ARN of its secret, which may be a replica",
        ),
        base=twins,
    ),
    Wrong(
        secrets_in_place,
        {TOKEN: {"main": arn(account=OTHER_ACCOUNT)}},
        "denodo.security_token.main",
        (f"is not of {ACCOUNT} in eu-west-1", "write the ARN of main's own secret"),
    ),
    Wrong(
        secrets_in_place,
        {METADATA: {"source": "export", "uri": EXPORT, "login": arn(region="eu-west-2")}},
        "denodo.metadata.login",
        (f"is not of {ACCOUNT} in eu-west-1",),
    ),
    Wrong(
        node_ports_differ,
        {"services/odbc": {"port": 1234, "node_port": 9999}},
        "services.odbc.node_port",
        (
            "is taken by another server of the node (9999)",
            "vdp and odbc would have this one",
            "choose a free node_port",
        ),
    ),
    Wrong(
        node_ports_differ,
        {"services/web": {"port": 443, "node_port": 9191}},
        "services.web.node_port",
        ("is taken by another server of the node (9191)", "web and ready would have"),
    ),
    Wrong(
        node_ports_differ,
        # Nobody clashes on the balancer, where this is the only one.
        {"services": {"jdbc": 9998}},
        "services.jdbc.port",
        ("is taken by another server of the node (9998)", "vdp and shutdown would have"),
    ),
    Wrong(
        node_ports_differ,
        {"services/odbc": {"port": 1234, "node_port": 8000}},
        "services.odbc.node_port",
        ("odbc and scheduler would have",),
    ),
    Wrong(
        node_ports_differ,
        {"services/jdbc": 9995},
        "services.jdbc.port",
        ("vdp and jmx_factory would have",),
        base=V9,
    ),
    Wrong(
        served_by_somebody,
        SCHEDULER,
        "services.scheduler",
        (
            "is served by no server",
            "the nodes start vdp, data-catalog, so the service would never be ready in main",
            "add the server to denodo.servers, leave the service out of services, or check it",
        ),
    ),
    Wrong(
        served_by_somebody,
        {"services/web": 9090, SERVERS: ["vdp", "scheduler"], **SHARED},
        "services.web",
        ("is served by no server", "the nodes start vdp, scheduler"),
    ),
    Wrong(
        served_by_somebody,
        {"services": {"portal": {"port": 443, "node_port": 9443}}, SERVERS: ["vdp"]},
        "services.portal",
        ("is served by no server",),
    ),
    Wrong(
        served_by_somebody,
        {SERVERS: ["data-catalog"], **SHARED},
        "services.jdbc",
        ("is served by no server", "the nodes start data-catalog"),
    ),
    Wrong(
        served_by_somebody,
        # What has ODBC's port is ODBC, under any name.
        {"services": {"bi": 9996}, SERVERS: ["scheduler"], **SHARED},
        "services.bi",
        ("is served by no server",),
    ),
    Wrong(
        served_by_somebody,
        # One cluster checks by connecting, the other asks the nodes.
        {**SCHEDULER, "clusters/main/balancer/health": {"protocol": "tcp"}},
        "services.scheduler",
        ("would never be ready in spare",),
        base=twins,
    ),
    Wrong(
        heap_fits,
        {TYPE: "x2idn.16xlarge"},
        "clusters.main.instance.type",
        (
            "does not tell its memory (x2idn.16xlarge)",
            "stays as the image has it",
            "add denodo.heap_gib",
        ),
        severity=Severity.NOTE,
    ),
    Wrong(
        heap_fits,
        {"clusters/main/nodes/node2/instance": {"type": "m4.xlarge"}},
        "clusters.main.nodes.node2.instance.type",
        ("does not tell its memory (m4.xlarge)",),
        severity=Severity.NOTE,
    ),
    Wrong(
        heap_fits,
        {"denodo/heap_gib": 16},
        "denodo.heap_gib",
        (
            "is all of the 16 GiB of m5.xlarge, or more (16)",
            "16 GB of memory are for 8 GB of heap",
            "write 8, or choose a larger type",
        ),
    ),
    Wrong(
        heap_fits,
        {"denodo/heap_gib": 15, "clusters/main/nodes/node2/instance": {"type": "m5.large"}},
        "denodo.heap_gib",
        ("is all of the 8 GiB of m5.large, or more (15)", "write 4"),
    ),
    Wrong(
        heap_given_once,
        {"denodo/heap_gib": 8, "denodo/jvm": {"vdp": "-Xmx6g"}},
        "denodo.heap_gib",
        ("is not read beside jvm.vdp (8)", "remove it, and write -Xmx8192m into jvm.vdp"),
    ),
    Wrong(
        parameter_quota,
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
    Right(of_later_versions, {METADATA: {"source": "export", "uri": EXPORT, "login": arn()}}, V7),
    Right(of_later_versions, {"denodo/tls": {"secret": arn()}, TOKEN: arn(), METADATA: "catalog"}),
    Right(of_later_versions, {SERVERS: ["vdp", "design-studio"]}),
    Right(set_up_by_nobody, {"denodo/program": False}),
    Right(set_up_by_nobody, {"denodo/program": True, "denodo/user": "other"}),
    Right(import_known, {METADATA: {"source": "export", "uri": EXPORT, "login": arn()}}),
    Right(import_known, {METADATA: "catalog"}),
    Right(import_known, {METADATA: "manual"}),
    Right(secrets_in_place, {"denodo/tls": {"secret": arn()}, TOKEN: arn("two")}),
    Right(
        secrets_in_place,
        {TOKEN: {"main": arn(), "spare": arn(region="us-east-1")}},
        base=twins,
    ),
    # Nobody reads it where every node exists already.
    Right(secrets_in_place, {TOKEN: arn(region="us-east-1")}, base=exists),
    Right(node_ports_differ, {"services/odbc": {"port": 1234, "node_port": 9996}}),
    # Two listeners with one server behind them.
    Right(node_ports_differ, {"services/batch": {"port": 1234, "node_port": 9999}}),
    # What clashes on the balancer has a rule of its own, and 7.0 has no JMX ports.
    Right(node_ports_differ, {"services/odbc": 9997}, base=V7),
    Right(
        node_ports_differ,
        {"denodo/program": False, "services/odbc": {"port": 1234, "node_port": 9999}},
    ),
    Right(node_ports_differ, {"services/odbc": {"port": 1234, "node_port": 9999}}, base=exists),
    Right(served_by_somebody, {**SCHEDULER, SERVERS: ["vdp", "scheduler"], **SHARED}),
    Right(served_by_somebody, {"services/web": 9090, SERVERS: ["vdp", "scheduler-admin"]}),
    Right(
        served_by_somebody,
        {"services/scheduler": {"port": 8000, "health": {"protocol": "tcp"}}},
    ),
    Right(served_by_somebody, {**SCHEDULER, "clusters/main/balancer/health": {"port": 8000}}),
    Right(served_by_somebody, {**SCHEDULER, "denodo/program": False}),
    Right(served_by_somebody, SCHEDULER, base=exists),
    Right(
        served_by_somebody,
        {
            **SCHEDULER,
            "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
            "clusters/main/nodes/node2": GONE,
        },
    ),
    # What nobody knows is asked by connecting.
    Right(served_by_somebody, {"services/mine": 1234, SERVERS: ["vdp"]}),
    Right(heap_fits, {}),
    Right(heap_fits, {"denodo/heap_gib": 15}),
    Right(heap_fits, {TYPE: "x2idn.16xlarge", "denodo/heap_gib": 512}),
    Right(heap_fits, {TYPE: "x2idn.16xlarge", "denodo/jvm": {"vdp": "-Xmx512g"}}),
    Right(heap_fits, {TYPE: "x2idn.16xlarge", "denodo/program": False}),
    Right(heap_given_once, {"denodo/heap_gib": 8, "denodo/jvm": {"web": "-Xmx2g"}}),
    Right(heap_given_once, {"denodo/jvm": {"vdp": "-Xmx8g"}}),
    Right(parameter_quota, full(1300)),
    Right(parameter_quota, full(1450), base=exists),
)
