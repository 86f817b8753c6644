"""The control API of the local AWS, under `/_local/`: calls that no AWS service has.

GET    /_local/identity                 name, clone and process id of the server
POST   /_local/prerequisites            make the resources that a configuration refers to
GET    /_local/stand-ins                all stand-ins
PUT    /_local/stand-ins/INSTANCE       {"address": "127.0.0.2", "ports": {"9999": 40123}}
DELETE /_local/stand-ins/INSTANCE
GET    /_local/machines                 state and address of each machine
PUT    /_local/machines/INSTANCE        {"action": …}: kill, start (undo of all), and for Denodo's
                                        servers kill-server, suspend, resume, close-port and
                                        open-port; `"what": "machine"` suspends all programs
GET    /_local/haproxy                  {"missing": why HAProxy instances run no programs, or ""}
PUT    /_local/managers/HOST            {"answers": false}: a License or Solution Manager is lost
GET    /_local/databases                state and endpoint of each database's server
PUT    /_local/databases/REGION/ID      {"action": "kill"}: a database is lost, until "start"
PUT    /_local/pace                     {"pace": 100}: AWS seconds per real second
PUT    /_local/signals                  {"mode": "manual"}: how instances signal their creation
PUT    /_local/faults/STACK             {"account": …, "region": …, "resources": ["LogicalId"]}: the
                                        resources of the stack whose creation fails; also "error":
                                        {"code": "InsufficientInstanceCapacity", "message": …}
PUT    /_local/call-faults/ACCOUNT      {"GetParameter": "throttled", "s3": "denied"}: calls of an
                                        account that fail: throttled, denied or silent
PUT    /_local/quotas/ACCOUNT           {"eu-west-1": {"L-1216C47A": 32}}: applied quotas
PUT    /_local/database-copies          {"age": 7200}: seconds since the newest state of copies
GET    /_local/names                    {"outside": ["127.40.0.1", 53], "vpc-…": …}: the endpoint of
                                        the DNS server for each view
GET    /_local/names/NAME               the addresses of a name for a client outside, and their TTL
GET    /_local/names/NAME/VPC           the addresses of a name for a client in a VPC
GET    /_local/ports                    the TCP ports that a rule of any security group admits
GET    /_local/addresses/INSTANCE       the loopback address that stands for an instance
PUT    /_local/cuts                     {"zones": ["eu-west-1a"]}: replace the list of cuts (`cuts`)
PUT    /_local/living                   {"balancers": true}: parts that run: nodes, balancers, names
GET    /_local/forwarding?after=VERSION the forwarding table, once its version is not VERSION
PUT    /_local/clients                  {"127.0.0.9": "10.9.0.7"}: addresses of clients on AWS
POST   /_local/flows                    report the flows of each load balancer since the last call
POST   /_local/checkpoint               write the state now
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from tools.local_aws.emulator import (
    call_faults,
    cuts,
    loopback,
    machine_programs,
    ministack,
    prerequisites,
    quotas,
    stand_ins,
)
from tools.local_aws.emulator.checkpoint import Checkpoint, stacks_in_progress
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.cloudformation import creation_policy, failed_creations
from tools.local_aws.emulator.cloudwatch import flow_counts, metrics
from tools.local_aws.emulator.ec2 import security_groups
from tools.local_aws.emulator.elb import forwarding
from tools.local_aws.emulator.errors import AwsError, InvalidRequestError
from tools.local_aws.emulator.living import LIVING
from tools.local_aws.emulator.machines import MACHINES
from tools.local_aws.emulator.managers import MANAGERS
from tools.local_aws.emulator.rds import backups
from tools.local_aws.emulator.rds.servers import DATABASES
from tools.local_aws.emulator.route53 import dns_answer
from tools.local_aws.emulator.route53.dns_server import DnsServer

PREFIX = "/_local/"
NAME = "denodo-ha local AWS"


@dataclass(frozen=True)
class Answer:
    """HTTP status and JSON content of an answer."""

    status: int
    content: dict[str, Any]


class ControlApi:
    """Answers the calls of the control API."""

    def __init__(self, *, clone: str, checkpoint: Checkpoint, names: DnsServer) -> None:
        self._clone, self._checkpoint, self._names = clone, checkpoint, names

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one call."""
        name, _, rest = path.removeprefix(PREFIX).partition("/")
        call = getattr(self, f"_{method.lower()}_{name.replace('-', '_')}", None)
        if call is None:
            message = (
                f"this server has no call {method} {path}. If another version of the clone has "
                "started the server, run `make local-down` and start the local AWS again"
            )
            return Answer(404, {"error": message})
        try:
            return Answer(200, call(rest, json.loads(body or b"{}")))
        except (AwsError, InvalidRequestError, ValueError, KeyError, TypeError) as error:
            return Answer(400, {"error": getattr(error, "message", "") or str(error)})

    def _get_identity(self, _rest: str, _body: Any) -> dict[str, Any]:
        return {
            "name": NAME,
            "clone": self._clone,
            "pid": os.getpid(),
            "pace": CLOCK.pace,
            "in_progress": stacks_in_progress(),
        }

    def _post_prerequisites(self, _rest: str, body: dict[str, Any]) -> dict[str, Any]:
        with ministack.acting_for(body["account"], body["region"]):
            made = [item["id"] for item in body["resources"] if prerequisites.make(item)]
        return {"made": made}

    def _get_stand_ins(self, _rest: str, _body: Any) -> dict[str, Any]:
        return dict(stand_ins.STORE)

    def _put_stand_ins(self, instance_id: str, body: Any) -> dict[str, Any]:
        return stand_ins.put(instance_id, body)

    def _delete_stand_ins(self, instance_id: str, _body: Any) -> dict[str, Any]:
        return {"gone": stand_ins.STORE.pop(instance_id, None) is not None}

    def _get_machines(self, _rest: str, _body: Any) -> dict[str, Any]:
        return MACHINES.show()

    def _put_machines(self, instance_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return MACHINES.act(instance_id, body)

    def _get_haproxy(self, _rest: str, _body: Any) -> dict[str, Any]:
        return {"missing": machine_programs.missing_for_haproxy()}

    def _get_managers(self, _rest: str, _body: Any) -> dict[str, Any]:
        return dict(MANAGERS.show())

    def _put_managers(self, host: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(MANAGERS.set(host, answers=bool(body["answers"])))

    def _get_databases(self, _rest: str, _body: Any) -> dict[str, Any]:
        return dict(DATABASES.show())

    def _put_databases(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(DATABASES.act(name, str(body["action"])))

    def _put_pace(self, _rest: str, body: dict[str, Any]) -> dict[str, Any]:
        pace = float(body["pace"])
        if pace <= 0:
            message = "`pace`, the AWS seconds per real second, must be more than 0"
            raise InvalidRequestError(message)
        metrics.set_pace(pace)
        return {"pace": pace}

    def _put_signals(self, _rest: str, body: dict[str, Any]) -> dict[str, Any]:
        creation_policy.MODE.set(str(body["mode"]))
        return {"mode": creation_policy.MODE.name}

    def _put_faults(self, stack: str, body: dict[str, Any]) -> dict[str, Any]:
        with ministack.acting_for(body["account"], body["region"]):
            error = body.get("error")
            failing = failed_creations.set_faults(
                stack,
                list(body["resources"]),
                *([(str(error["code"]), str(error["message"]))] if error else []),
            )
            return {"failing": failing}

    def _put_call_faults(self, account: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"failing": call_faults.set_faults(account, body)}

    def _put_quotas(self, account: str, body: dict[str, Any]) -> dict[str, Any]:
        return {region: quotas.put(account, region, values) for region, values in body.items()}

    def _put_database_copies(self, _rest: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(backups.put(body))

    def _get_ports(self, _rest: str, _body: Any) -> dict[str, Any]:
        return {"ports": security_groups.admitted_ports()}

    def _get_addresses(self, instance_id: str, _body: Any) -> dict[str, Any]:
        return {"address": loopback.address("instance", instance_id)}

    def _get_endpoints(self, rest: str, _body: Any) -> dict[str, Any]:
        owner, _, port = rest.partition("/")
        kind = "manager" if owner in MANAGERS.show() else "instance"
        address, actual = loopback.endpoint(kind, owner, int(port))
        return {"address": address, "port": actual}

    def _put_cuts(self, _rest: str, body: Any) -> dict[str, Any]:
        return dict(cuts.put(body))

    def _get_names(self, rest: str, _body: Any) -> dict[str, Any]:
        if not rest:
            return dict(self._names.refresh())
        name, _, vpc = rest.partition("/")
        return dns_answer.answer(name, "A", vpc).summary

    def _put_living(self, _rest: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(LIVING.set(body))

    def _get_forwarding(self, _rest: str, _body: Any) -> dict[str, Any]:
        return forwarding.current()

    def _put_clients(self, _rest: str, body: dict[str, str]) -> dict[str, Any]:
        return dict(forwarding.set_clients(body))

    def _post_flows(self, _rest: str, body: dict[str, dict[str, float]]) -> dict[str, Any]:
        flow_counts.put(body)
        return {}

    def _post_checkpoint(self, _rest: str, _body: Any) -> dict[str, Any]:
        return {"written": self._checkpoint.write()}
