"""Alarms of an environment: their names, urgency and texts, for the stacks and for the drill.

A notifying alarm is a composite alarm with a description: what has happened, what it means for
clients, and the section of docs/reference/alarms.md that says what to do. Alarms on single metrics
are parts of a notifying alarm, and have no actions. The description begins with the urgency and the
name, by which the drill recognises the alarm in a template.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.environment import Environment

Urgency = Literal["urgent", "notice"]

NODE_OUT_MINUTES: Final = 5
"""Project value: minutes for which a target must be unhealthy before an alarm is set off. This time
is longer than any disturbance from which a target recovers automatically."""
NO_NODE_MINUTES: Final = 3
"""Project value: minutes for which a target group must have no healthy target before an alarm is
set off. A target group that is replaced has no healthy target for up to two minutes."""
MACHINE_MINUTES: Final = 10
"""Project value: minutes for which an instance's status checks must fail or be missing before an
alarm is set off. An instance that is stopped and started again has no status checks for some
minutes."""
SILENT_MINUTES: Final = 5
"""Project value: minutes for which a load balancer must report no metrics before an alarm is set
off. Metrics that CloudWatch delivers a little late are not a reason for an alarm."""
RESTART_MARGIN_MINUTES: Final = 5
"""Project value: minutes that the restart of a node may take in addition to `denodo.start_limit`. A
Denodo 7.0 node that restarts remains registered in the target group of its auxiliary port, and must
not raise an alarm."""

SUPPRESSOR_WAIT_S: Final = 20
"""Project value for `ActionsSuppressorWaitPeriod`: seconds that a notification waits for the
suppressor alarm to go to ALARM. Commands put the suppressor's metric before they take a node out,
and an alarm needs at least three minutes to detect that a node is out, so a short wait is enough. A
longer wait would delay the notification of each incident. CloudWatch requires a wait period and an
extension period (`SUPPRESSOR_EXTENSION_S`) for each suppressor (AWS, Amazon CloudWatch User Guide,
"Suppressing composite alarm actions")."""
SUPPRESSOR_EXTENSION_S: Final = 180
"""Project value for `ActionsSuppressorExtensionPeriod`: seconds after the suppressor alarm has
returned to OK in which composite alarms still do not notify. The suppressor's metric may have no
data for up to two minutes, and the alarms on a node return to OK one or two minutes after the node
is back in service."""
SUPPRESSOR_TEXT: Final = (
    "While this alarm is in state ALARM, the alarms of {} do not notify: the cluster is paused, or "
    "a command changes its nodes. Does not notify by itself"
)
CERTIFICATE_DAYS: Final = 30
"""Project value: an alarm is set off this number of days before a certificate expires. ACM begins
to renew certificates 60 days before they expire (AWS, AWS Certificate Manager User Guide, Managed
certificate renewal). If 30 days are left, the renewal has failed, or ACM does not renew this
certificate."""
CERTIFICATE_HOURS: Final = 24
"""Project value: period of the alarm on an ACM certificate. ACM publishes the days until the expiry
twice a day."""
LAST_NODE_OF: Final = range(3, 8)
"""Numbers of nodes (3 to 7) for which a cluster has the alarm `one node left`. The length of the
alarm's rule grows with the square of the number of nodes, and AWS accepts at most 10,240 characters
(AWS, Amazon CloudWatch API, PutCompositeAlarm)."""
STILL_THROWN_HOURS: Final = 12
"""Project value: hours after which a thrown switch sets off an alarm. Planned work on a cluster is
shorter, and the next shift of operators must learn of a forgotten switch."""

PAGE: Final = "docs/reference/alarms.md"
_DESCRIPTION: Final = re.compile(r"(urgent|notice), ([A-Za-z ]+): ")


@dataclass(frozen=True)
class AlarmText:
    """The texts of a notifying alarm.

    Attributes:
        name: name of the alarm, also the heading of the alarm's section in
            docs/reference/alarms.md.
        urgency: the topic that the alarm notifies.
        what: sentence on what has happened.
        means: sentence on the effect on clients.
    """

    name: str
    urgency: Urgency
    what: str
    means: str

    @property
    def description(self) -> str:
        """The description of the alarm in CloudWatch, which every notification contains."""
        anchor = self.name.lower().replace(" ", "-")
        return (
            f"{self.urgency}, {self.name}: {self.what} {self.means} What to do: {PAGE}#{anchor}, "
            f"and `{full_command('status')}`."
        )


def name_in_description(description: str) -> tuple[str, str] | None:
    """Return urgency and name of a notifying alarm from its description; None for other alarms."""
    match = _DESCRIPTION.match(description)
    return (match[1], match[2]) if match else None


def restart_minutes(environment: Environment) -> int:
    """Return the minutes within which a node that restarts its servers must serve again."""
    return -(-environment.denodo.start_limit // 60) + RESTART_MARGIN_MINUTES


def node_out(cluster: str, nodes: int) -> AlarmText:
    """Return the texts of the alarm on a node that is unhealthy in a target group."""
    what = f"a node of {cluster} has been unhealthy in a target group for {NODE_OUT_MINUTES} min."
    means = "New connections go to the other nodes, which have more load."
    return node_missing("node out", what, means, nodes)


def machine_lost(cluster: str, nodes: int) -> AlarmText:
    """Return the texts of the alarm on instances that fail their status checks, or do not run."""
    what = (
        f"an instance of {cluster} fails EC2's status checks, or has not run, for "
        f"{MACHINE_MINUTES} min."
    )
    means = "New connections go to the other nodes, which have more load."
    return node_missing("machine lost", what, means, nodes)


def node_missing(name: str, what: str, means: str, nodes: int) -> AlarmText:
    """Return the texts of an alarm on a missing node: urgent in a cluster of one or two nodes."""
    if nodes == 1:
        return AlarmText(name, "urgent", what, "It is the only node: clients are not served.")
    if nodes == 2:
        means = "One node is left and serves all clients: if it fails too, clients are not served."
    return AlarmText(name, "urgent" if nodes == 2 else "notice", what, means)


def one_node_left(cluster: str) -> AlarmText:
    """Return the texts of the alarm on a cluster of three nodes or more of which one is left."""
    what = f"of the nodes of {cluster}, at most one is left: the others do not run or do not serve."
    means = "One node serves all clients: if it fails too, clients are not served."
    return AlarmText("one node left", "urgent", what, means)


def proxy_out(cluster: str, proxies: int) -> AlarmText:
    """Return the texts of the alarm on an HAProxy instance that is unhealthy in a target group."""
    what = (
        f"an HAProxy instance of {cluster} has been unhealthy in a target group for "
        f"{NODE_OUT_MINUTES} min: it does not run, or has no usable node for a service."
    )
    means = "New connections go through the other instances."
    if proxies == 2:
        means = "One instance is left: if it fails too, clients are not served."
    return AlarmText("HAProxy out", "urgent" if proxies == 2 else "notice", what, means)


def no_node(environment: Environment, name: str, cluster: str) -> AlarmText:
    """Return the texts of the alarm on a service without any healthy target."""
    what = (
        f"a service of {cluster} has had no healthy target for {NO_NODE_MINUTES} min, or its load "
        "balancer sends connections to unhealthy targets."
    )
    return AlarmText("no node", "urgent", what, _without_cluster(environment, name))


def balancer_silent(environment: Environment, name: str, cluster: str) -> AlarmText:
    """Return the texts of the alarm on a load balancer that reports no metrics."""
    what = (
        f"a load balancer of {cluster} has reported nothing for {SILENT_MINUTES} min: it is "
        "lost, or CloudWatch is late."
    )
    return AlarmText("balancer silent", "urgent", what, _without_cluster(environment, name))


def _without_cluster(environment: Environment, name: str) -> str:
    """Return the effect on clients, as sentences, if the cluster `name` does not serve."""
    failover = environment.failover
    if failover is not None and name == failover.primary:
        how = "only operators fail over" if failover.control == "operator" else "DNS fails over"
        return f"New connections fail until {how} to {failover.secondary}."
    if failover is not None and name == failover.secondary:
        return (
            f"There is no standby: if {failover.primary} fails too, nothing takes over. If "
            "clients are on this cluster now, their new connections fail."
        )
    return "New connections fail."


def port_allocation(cluster: str) -> AlarmText:
    """Return the texts of the alarm on a load balancer without free source ports."""
    what = f"the load balancer of {cluster} found no free source port for a connection."
    return AlarmText("port allocation", "urgent", what, "Some new connections fail.")


def balancer_certificate(cluster: str) -> AlarmText:
    """Return the texts of the alarm on an ACM certificate of a listener that expires soon."""
    what = (
        f"a certificate of the load balancer of {cluster} expires in less than "
        f"{CERTIFICATE_DAYS} days, and was not renewed."
    )
    means = "After that, clients that verify certificates cannot connect."
    return AlarmText("balancer certificate", "notice", what, means)


def switch_thrown(environment: Environment) -> AlarmText:
    """Return the texts of the alarm on a thrown switch of the operators."""
    failover = environment.failover
    assert failover is not None
    what = "operators have thrown the switch."
    means = (
        f"Clients connect to {failover.secondary} until operators put the switch back, even if "
        f"{failover.primary} is healthy."
    )
    return AlarmText("switch thrown", "notice", what, means)


def switch_still_thrown(environment: Environment) -> AlarmText:
    """Return the texts of the alarm on a switch that has been thrown for many hours."""
    failover = environment.failover
    assert failover is not None
    what = f"the switch has been thrown for {STILL_THROWN_HOURS} hours."
    means = (
        f"Clients stay on {failover.secondary}, and nothing takes over if it fails, even if "
        f"{failover.primary} is healthy."
    )
    return AlarmText("switch still thrown", "notice", what, means)


def standby_not_ready(hours: int) -> AlarmText:
    """Return the texts of the alarm on a standby that is not ready, or was not checked."""
    what = (
        f"`{full_command('failover check', '--record')}` found the standby not ready, or has not "
        f"run for {hours} h."
    )
    means = "Clients are served; if the active cluster fails, the standby may not take over."
    return AlarmText("standby not ready", "notice", what, means)


def checked_roles(environment: Environment) -> list[str]:
    """Return the roles (Primary, Secondary) whose records have a health check of their cluster."""
    failover = environment.failover
    if failover is None:
        return []
    methods = failover_plan.health_checks(environment)
    return [
        role
        for role, name in (("Primary", failover.primary), ("Secondary", failover.secondary))
        if methods.get(name) in {"alarm", "endpoint"}
    ]


def record_unhealthy(environment: Environment, role: str) -> AlarmText:
    """Return the texts of the alarm on the health check of a role's record."""
    failover = environment.failover
    assert failover is not None
    if role == "Primary":
        what = f"Route 53 finds {failover.primary} unhealthy, or operators have thrown the switch."
        means = f"Clients connect to {failover.secondary}, if that is healthy."
        return AlarmText("site moved", "urgent", what, means)
    what = f"Route 53 finds {failover.secondary} unhealthy."
    means = f"There is no standby: if {failover.primary} fails too, nothing takes over."
    return AlarmText("no standby", "urgent", what, means)


def database_storage(cluster: str) -> AlarmText:
    """Return the texts of the alarm on the storage of a metadata database."""
    what = f"the metadata database of {cluster} has little storage left, or does not answer."
    means = "Without storage, the services that use the database fail: raise storage_gib."
    return AlarmText("database storage", "urgent", what, means)


def database_connections(cluster: str) -> AlarmText:
    """Return the texts of the alarm on the connections of a metadata database."""
    what = f"the metadata database of {cluster} has few connections left, or does not answer."
    means = "Without connections, the services that use the database fail: raise max_connections."
    return AlarmText("database connections", "urgent", what, means)
