"""What each finding means, and where to look: one table, by code. `docs/verify.md` says more."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FINDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Names
        "dns-unknown": (
            "This machine cannot resolve the name. Look at the record and its zone; a private "
            "zone answers only in the VPCs that it is associated with."
        ),
        "dns-secondary": (
            "The site is on the secondary: the primary's health check fails, or an operator "
            "moved it. Look at `denodo-ha status`."
        ),
        "dns-neither": (
            "The name leads to neither balancer. A balancer was replaced and the failover stack "
            "not deployed since, another record has the name, or a resolver keeps an old answer."
        ),
        "dns-unsure": (
            "The balancers' names do not resolve here, so the side cannot be told from addresses."
        ),
        "balancers-unknown": (
            "AWS did not say what the balancers are called, so the side cannot be told. Give "
            "`--balancer CLUSTER=NAME` for each cluster, or mend the credentials."
        ),
        # The network
        "refused": (
            "Nothing listens there. At a balancer: no listener on this port, or no healthy node, "
            "so that a node without a server refuses. At a node: the server is down, or on "
            "another port."
        ),
        "timeout": (
            "Packets are dropped on the way. Look at the security group (are you in "
            "balancer.clients?), network ACLs and routes, and at the health of the targets."
        ),
        "unreachable": "There is no way from this machine to there. Look at routes and VPN.",
        "closed": (
            "Something accepted and hung up. A balancer without a usable node does that, and a "
            "server that is stopping or still starting."
        ),
        "silent": (
            "Something accepted and says nothing: a server that hangs or still starts, or one of "
            "another protocol that waits for its client to speak. Look at the node's log."
        ),
        "malformed": (
            "The answer begins right and goes on wrong. Something between here and the server "
            "changes it, or another program has the port."
        ),
        # RMI
        "not-rmi": (
            "Another protocol answers. Compare the service's ports with those of the nodes."
        ),
        "speaks-tls": (
            "The server wants TLS on this port and Java RMI within: give `--tls SERVICE`."
        ),
        "not-registry": (
            "A Java server, but no registry: the port is perhaps a node's auxiliary port."
        ),
        "registry-refuses": "The registry answers with an error. Look at the server's log.",
        "registry-empty": (
            "The registry is open and no server is in it: Virtual DataPort is still starting, "
            "or failed to. Look at vdp.log of the node."
        ),
        "rmi-host": (
            "Clients go on to this host, past the cluster's balancer. On the node, "
            "VDBManagerImpl.registryURL must be the balancer's name; then regenerateFiles.sh "
            "and a restart."
        ),
        "rmi-host-failover": (
            "Clients go on to the failover name, which after a failover means the other cluster, "
            "where the node of this port is another one. The RMI host must be the name of the "
            "cluster's own balancer."
        ),
        "rmi-host-unsure": (
            "Give `--balancer CLUSTER=NAME` to have the RMI host compared with the balancer's name."
        ),
        "auxiliary-unknown": (
            "The node names a second port that is no node's auxiliary_port in the configuration, "
            "so the balancer has no listener for it. Compare VDBManagerImpl.factoryPort of the "
            "nodes with the configuration."
        ),
        "auxiliary-unreachable": (
            "Clients cannot go on: the first connection works and the second does not. Look at "
            "the listener and the group of this port, at the security group, and whether the "
            "node listens there."
        ),
        "auxiliary-other-node": (
            "The second connection reached another node than the first, where the client's "
            "object is unknown. The group of this auxiliary port holds the wrong node, or two "
            "nodes have the port."
        ),
        "auxiliary-shared": (
            "Two nodes name the same second port, so one of them loses its clients to the other. "
            "Every node needs a factoryPort of its own, the auxiliary_port of the configuration."
        ),
        "auxiliary-unseen": (
            "No server names a second port, so nothing could be opened there. Is this a "
            "Virtual DataPort 7.0?"
        ),
        "names-other-port": (
            "The server names a second port for clients, and this balancer has no listener for "
            "it. Clients of this service must reach the node directly."
        ),
        # PostgreSQL
        "not-postgresql": (
            "Another protocol answers. Compare the service's ports with those of the nodes."
        ),
        "odbc-starting": "The server is up and not ready: it starts, stops or recovers.",
        "odbc-full": "The server has no connection left: raise its limit, or find who holds them.",
        "odbc-no-tls": (
            "The server offers no TLS: passwords and data cross the network in clear. "
            "denodo_tls_configurator.sh turns it on (8.0 on)."
        ),
        "odbc-open": (
            "A session begins without a password. Denodo never does that: is this a Denodo server?"
        ),
        "odbc-certificate": (
            "Clients with sslmode=verify-full refuse this certificate; those with require or "
            "prefer, the usual ones, do not look at it."
        ),
        # TLS
        "not-tls": "The port does not speak TLS. Is it the plain port, or is TLS off on the nodes?",
        "certificate-expired": "Clients refuse it from that day on. Renew it.",
        "certificate-early": "It is not valid yet: wrong clock here, or a certificate for later.",
        "certificate-soon": "Renew it before clients refuse it.",
        "certificate-name": (
            "Clients refuse it, as it is for other names than the one they connect to. Issue one "
            "with the failover name and the balancers' names as subject alternative names."
        ),
        "certificate-chain": (
            "This machine does not trust who issued it. If it is your own authority, give "
            "`--ca-bundle FILE`; if not, the server does not send its intermediate certificates."
        ),
        "certificate-other": "Clients refuse it for that reason.",
        # Web
        "not-http": "Another protocol answers, or TLS is spoken there. Compare the ports.",
        "http-status": "The server answers with an error of its own. Look at Tomcat's logs.",
        "redirect-elsewhere": (
            "Browsers are led past the name that clients use. The server does not know the name "
            "or the scheme that stands before it: set them in its redirect or proxy settings."
        ),
        "cookie-missing": (
            "The configuration wants clients kept by cookie, and no cookie was set: the answer "
            "does not come through the balancer that sets it."
        ),
        "session-lost": (
            "A second node answered, which did not know the session: users are logged out at "
            "random. Look at stickiness of the service's group or backend."
        ),
        "session-unseen": (
            "The answers carry nothing that tells nodes apart, so stickiness was not seen. Give "
            "`--web-path` of an application that opens a session, or `--node-mark`."
        ),
        # Flight
        "not-flight": "The port is not gRPC's: no HTTP/2 answers.",
        # How connections spread
        "spread-missing": (
            "A node gets no connections. Is it drained, unhealthy, or not registered? Look at "
            "`denodo-ha status`."
        ),
        "spread-uneven": (
            "Connections do not spread as the balancer promises. Look at the health of the "
            "targets, and at cross-zone balancing."
        ),
        "spread-few": "Too few connections to tell chance from a fault: raise `--connections`.",
        "spread-unseen": "The answers do not tell nodes apart: connections were counted only.",
        "spread-sticky": (
            "The service is sticky, and one client reached several nodes: it is not kept on one."
        ),
        "spread-failed": "Some connections failed: look for a node that is half down.",
    }
)
