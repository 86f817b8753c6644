"""Findings of a verification: timed steps, the meaning of a failed step, and the report.

    with log.step("RMI handshake") as step:
        ...
        step.seen = "the server sees this machine as 10.0.9.4"

A `Fault` raised in a step marks the step as failed and ends the probe. After `step.fail` and
`step.note` the probe continues.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from rich.text import Text

from denodo_ha.cli.output import print_json, print_line, print_table
from denodo_ha.environment.full_command import full_command

_LONGEST_TEXT: Final = 300
"""Maximum number of characters of a server's message in the output."""


class StepState(StrEnum):
    """Result of a step."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Fault(Exception):  # noqa: N818 - the usual word for a failed connection
    """Error that ends a probe, because a step failed.

    Attributes:
        finding: a key of `FINDINGS`.
        seen: a description of what the failed step observed.
    """

    def __init__(self, finding: str, seen: str) -> None:
        super().__init__(f"{finding}: {seen}")
        self.finding, self.seen = finding, seen


@dataclass
class Step:
    """One action of a verification and its result.

    Attributes:
        name: a short name of the action, such as `RMI handshake`.
        state: the result: OK, a note, or wrong.
        seen: a description of what the step observed.
        finding: a key of `FINDINGS`; empty if the step is OK.
        seconds: the duration of the action.
    """

    name: str
    state: StepState = StepState.OK
    seen: str = ""
    finding: str = ""
    seconds: float = 0.0

    @property
    def meaning(self) -> str:
        """The meaning of the step's finding, and what to check."""
        return meaning(self.finding) if self.finding else ""

    def fail(self, finding: str, seen: str) -> None:
        """Mark the step as wrong; the probe continues."""
        self.state, self.finding, self.seen = StepState.WRONG, finding, seen

    def note(self, finding: str, seen: str) -> None:
        """Mark the step with a note, unless it is already marked as wrong."""
        if self.state is not StepState.WRONG:
            self.state, self.finding, self.seen = StepState.NOTE, finding, seen


@dataclass
class StepLog:
    """The steps of one verified port, or of the DNS names, in execution order."""

    subject: str
    steps: list[Step] = field(default_factory=list)
    clock: Callable[[], float] = time.perf_counter

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Measure the time of a step, and add the step to the log even if it fails.

        Raises:
            Fault: The step failed.
        """
        step = Step(one_line(name))
        self.steps.append(step)
        start = self.clock()
        try:
            yield step
        except Fault as fault:
            step.fail(fault.finding, fault.seen)
            raise
        finally:
            step.seconds = self.clock() - start
            step.seen = one_line(step.seen)

    @property
    def state(self) -> StepState:
        """The worst state of all steps of this log."""
        return _worst({step.state for step in self.steps})


def worst_state(logs: Sequence[StepLog]) -> StepState:
    """Return the worst state of all logs."""
    return _worst({log.state for log in logs})


def _worst(states: set[StepState]) -> StepState:
    order = (StepState.WRONG, StepState.NOTE)
    return next((state for state in order if state in states), StepState.OK)


def one_line(text: str) -> str:
    """Return a server's text as one line of limited length, without control characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 3]}..."


_STYLES = {StepState.OK: "green", StepState.NOTE: "yellow", StepState.WRONG: "red"}
_SUMMARIES = {
    StepState.OK: "all right",
    StepState.NOTE: "right, with notes",
    StepState.WRONG: "wrong",
}


def print_report(target: str, logs: Sequence[StepLog]) -> None:
    """Print every step, then the meaning of each finding."""
    state = worst_state(logs)
    print_line(Text.assemble(f"{target}: ", (_SUMMARIES[state], _STYLES[state])))
    print_table(
        ("Subject", "Step", "Result", "ms", "Seen"),
        [
            (
                "" if index else log.subject,
                step.name,
                Text(step.state, style=_STYLES[step.state]),
                f"{step.seconds * 1000:.0f}",
                step.seen,
            )
            for log in logs
            for index, step in enumerate(log.steps)
        ],
    )
    for log, step in _findings(logs):
        print_line("")
        print_line(
            Text.assemble((step.finding, _STYLES[step.state]), f" ({log.subject}, {step.name})")
        )
        print_line(f"  {step.seen}")
        print_line(f"  {step.meaning}")


def print_report_json(target: str, cluster: str, logs: Sequence[StepLog]) -> None:
    """Print the report as JSON; times in seconds."""
    print_json(
        {
            "target": target,
            "cluster": cluster or None,
            "state": worst_state(logs),
            "subjects": [
                {
                    "name": log.subject,
                    "state": log.state,
                    "steps": [_step_data(step) for step in log.steps],
                }
                for log in logs
            ],
        }
    )


def _findings(logs: Sequence[StepLog]) -> list[tuple[StepLog, Step]]:
    """Return the steps with a finding, first the steps that are wrong, then those with notes."""
    pairs = [(log, step) for log in logs for step in log.steps if step.finding]
    return sorted(pairs, key=lambda pair: pair[1].state is not StepState.WRONG)


def _step_data(step: Step) -> dict[str, object]:
    return {
        "step": step.name,
        "state": step.state,
        "seconds": round(step.seconds, 4),
        "seen": step.seen,
        "finding": step.finding or None,
        "meaning": step.meaning or None,
    }


FINDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Findings about DNS names
        "dns-unknown": (
            "This machine cannot resolve the name. Look at the record and its zone; a private "
            "zone answers only in the VPCs that it is associated with."
        ),
        "dns-secondary": (
            "The secondary cluster serves: the primary's health check fails, or an operator "
            "failed over. Run `{status}`."
        ),
        "dns-neither": (
            "The name resolves to neither load balancer. A load balancer was replaced and the "
            "failover stack was not deployed afterwards, another record has the name, or a "
            "resolver caches an old answer."
        ),
        "dns-unsure": (
            "The names of the load balancers do not resolve on this machine, so their addresses "
            "cannot tell which cluster answers."
        ),
        "balancers-unknown": (
            "The names of the load balancers could not be read from AWS, so it is not known which "
            "cluster answers. Give `--balancer CLUSTER=NAME` for each cluster, or fix the "
            "credentials."
        ),
        # Findings about the network
        "refused": (
            "Nothing listens on this port. If this is a load balancer, the port has no listener or "
            "no healthy node (a node without a running server refuses). If this is a node, the "
            "server is down, or uses another port."
        ),
        "timeout": (
            "Packets are dropped on the way. Look at the security group (is this machine in "
            "balancer.clients?), network ACLs and routes, and at the health of the targets."
        ),
        "unreachable": "This machine has no route to the address. Look at routes and VPN.",
        "closed": (
            "The connection was accepted and closed again: the load balancer has no usable node, "
            "or the server is stopping or still starting."
        ),
        "silent": (
            "The connection was accepted and nothing was sent: the server hangs, is still "
            "starting, or uses another protocol, in which the client sends first. Look at the "
            "node's log."
        ),
        "malformed": (
            "The answer begins correctly and then breaks the protocol. A device between this "
            "machine and the server changes the answer, or another program uses the port."
        ),
        # Findings about RMI
        "not-rmi": "Another protocol answers. Compare the service's ports with those of the nodes.",
        "speaks-tls": "The server expects TLS on this port: give `--tls SERVICE`.",
        "not-registry": (
            "A Java server answers, but not an RMI registry. The port may be a node's auxiliary "
            "port."
        ),
        "registry-refuses": "The registry answers with an error. Look at the server's log.",
        "registry-empty": (
            "The registry runs, but no server is registered: Virtual DataPort is still starting, "
            "or failed to start. Look at vdp.log on the node."
        ),
        "rmi-host": (
            "Clients open their second connection to this host, which bypasses the cluster's load "
            "balancer. On the node, set VDBManagerImpl.registryURL (of the Scheduler: "
            "Launcher/registryURL) to the load balancer's name, run regenerateFiles.sh and restart "
            "the server."
        ),
        "rmi-host-failover": (
            "Clients open their second connection to the failover name. After a failover, the name "
            "leads to the other cluster, where another node has the port. The RMI host "
            "must be the name of the cluster's own load balancer."
        ),
        "rmi-host-unsure": (
            "Give `--balancer CLUSTER=NAME` to compare the RMI host with the load balancer's name."
        ),
        "auxiliary-unknown": (
            "The server names a second port that is not the auxiliary_port (of the Scheduler: "
            "scheduler_auxiliary_port) of any node in the configuration, so the load balancer has "
            "no listener for it. Compare VDBManagerImpl.factoryPort (Launcher/factoryPort) of the "
            "nodes with the configuration."
        ),
        "auxiliary-unreachable": (
            "The first connection of a client works and the second does not. Look at the listener "
            "and the target group of this port, at the security group, and whether the node "
            "listens on the port."
        ),
        "auxiliary-other-node": (
            "The second connection reached another node than the first, where the client's "
            "object is unknown. The target group of this auxiliary port contains the wrong node, "
            "or two nodes have the port."
        ),
        "auxiliary-shared": (
            "Two nodes name the same second port, so clients of one node reach the other node. "
            "Every node needs its own factoryPort: its auxiliary_port or scheduler_auxiliary_port "
            "in the configuration."
        ),
        "auxiliary-unseen": (
            "No server names a second port, so no second connection could be tried. Is this "
            "Virtual DataPort 7.0, or the Scheduler?"
        ),
        "names-other-port": (
            "The server names a second port, for which the load balancer has no listener. Clients "
            "of this service must reach the node directly."
        ),
        # Findings about the PostgreSQL protocol
        "not-postgresql": (
            "Another protocol answers. Compare the service's ports with those of the nodes."
        ),
        "odbc-starting": "The server is not ready: it is starting, stopping or recovering.",
        "odbc-full": (
            "The server has no free connection. Raise its limit, or find the clients that hold "
            "the connections."
        ),
        "odbc-no-tls": (
            "The server offers no TLS: passwords and data cross the network unencrypted. "
            "denodo_tls_configurator.sh turns TLS on (Denodo 8.0 and later)."
        ),
        "odbc-open": (
            "A session begins without a password, which Denodo never allows. Is this a Denodo "
            "server?"
        ),
        "odbc-certificate": (
            "Clients with sslmode=verify-full refuse this certificate; clients with require or "
            "prefer, the usual values, do not verify certificates."
        ),
        # Findings about TLS
        "not-tls": "The port does not speak TLS. Is it the plain port, or is TLS off on the nodes?",
        "certificate-expired": "The certificate has expired: clients refuse it. Renew it.",
        "certificate-early": "The certificate is not valid yet, or this machine's clock is wrong.",
        "certificate-soon": "Renew the certificate before clients refuse it.",
        "certificate-name": (
            "Clients refuse the certificate, since it does not have the name that they connect to. "
            "Issue a certificate with the failover name and the names of the load balancers as "
            "subject alternative names."
        ),
        "certificate-chain": (
            "This machine does not trust the issuer of the certificate. For your own certificate "
            "authority, give `--ca-bundle FILE`; otherwise the server does not send its "
            "intermediate certificates."
        ),
        "certificate-other": "Clients refuse the certificate for the reason that the step shows.",
        # Findings about web services
        "not-http": "Another protocol answers, or the port expects TLS. Compare the ports.",
        "http-status": "The server answers with an error of its own. Look at Tomcat's logs.",
        "redirect-elsewhere": (
            "The server redirects browsers to another name or scheme than clients use. Set the "
            "public name and scheme in the server's redirect or proxy settings."
        ),
        "cookie-missing": (
            "The load balancer sets a cookie to keep clients on a node. The answer sets no cookie, "
            "so the answer did not come through the load balancer."
        ),
        "session-lost": (
            "A second node answered, which did not know the session: users are logged out at "
            "random. Look at the stickiness of the service's target group or backend."
        ),
        "session-unseen": (
            "The answers do not tell nodes apart, so stickiness could not be verified. Give "
            "`--web-path` with the path of an application that opens a session, or `--node-mark`."
        ),
        # Findings about Arrow Flight
        "not-flight": "The port does not speak gRPC: the answer is not HTTP/2.",
        # Findings about the Solution Manager and the License Manager
        "manager-unseen": (
            "The manager did not answer this machine. If only nodes may reach the manager, run "
            "this command on a node. Otherwise start the manager: a node that restarts without its "
            "License Manager does not start, and a running node continues for 5 days."
        ),
        "manager-status": (
            "The manager answers with an error of its own, or another program has the port. Look "
            "at the manager's log."
        ),
        "manager-tls": (
            "The nodes connect to the License Manager in the way that `license_manager.tls` says, "
            "and get no licence. Correct the key, deploy, and run `{roll}`."
        ),
        "spread-missing": (
            "A node gets no connections. It may be drained, unhealthy or not registered: run "
            "`{status}`."
        ),
        "spread-uneven": (
            "Connections are not distributed evenly over the nodes. Look at the target health and "
            "at cross-zone load balancing."
        ),
        "spread-few": (
            "The number of connections was too low for a result: raise `--connections`."
        ),
        "spread-unseen": "The answers do not tell nodes apart, so connections were only counted.",
        "spread-sticky": "The service is sticky, but one client reached several nodes.",
        "spread-failed": "Some connections failed. Look for a node on which a server is down.",
    }
)
"""Meaning of each finding and what to check, by code; `docs/reference/verify.md` has more."""


def meaning(finding: str) -> str:
    """Return the meaning of a finding, and what to check, with whole commands."""
    return FINDINGS[finding].format(status=full_command("status"), roll=full_command("roll"))
