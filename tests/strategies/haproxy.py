"""Hypothesis strategies for clusters behind HAProxy."""

from hypothesis import strategies as st

from tests.support.configurations import Data, Draw


@st.composite
def haproxies(draw: Draw, clusters: Data, services: Data) -> None:
    """Put clusters behind HAProxy."""
    for cluster in clusters.values():
        if cluster["balancer"]["kind"] == "haproxy":
            draw(_machines(cluster))
            if "web-tls" in services:
                draw(_ends_tls(cluster))


@st.composite
def _machines(draw: Draw, cluster: Data) -> None:
    instance: Data = {"type": "c6i.large", "image": "ami-0aabbccddeeff0011"}
    if draw(st.booleans()):
        instance["count"] = draw(st.integers(2, 10))
        instance["disk_gib"] = 30
    if draw(st.booleans()):
        region, account = cluster["region"], cluster["account"]
        instance["role_policies"] = [f"arn:aws:iam::{account}:policy/proxies"]
        instance["kms_key"] = (
            f"arn:aws:kms:{region}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        )
    proxy: Data = {"instance": instance}
    if draw(st.booleans()):
        proxy["health_port"], proxy["metrics_port"] = 9292, 9404
        proxy["metrics_clients"] = ["172.17.0.0/24"]
    if draw(st.booleans()):
        proxy["checks"] = {"ready": draw(st.booleans()), "fall": 3}
    proxy["hosts"] = {
        name: "old.example.com"
        for name, node in cluster["nodes"].items()
        if "instance_id" in node and "address" not in node
    }
    cluster["balancer"]["haproxy"] = proxy


@st.composite
def _ends_tls(draw: Draw, cluster: Data) -> None:
    """Let HAProxy terminate the TLS of a web service, or pass it through to the nodes."""
    mode = draw(st.sampled_from(["passthrough", "reencrypt"]))
    tls: Data = {"mode": mode}
    if mode == "reencrypt":
        for key in ("certificate", "authority"):
            tls[key] = (
                f"arn:aws:secretsmanager:{cluster['region']}:{cluster['account']}:"
                f"secret:denodo/{key}-AbCdEf"
            )
    cluster["balancer"]["haproxy"]["tls"] = tls
