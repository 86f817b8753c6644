"""`make local-node NODE=active/node1 DO=kill`: cause failures of a machine of the local AWS."""

from denodo_ha.environment.full_command import full_command, make_command
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import CLUSTER_TAG, ENVIRONMENT_TAG, NODE_TAG
from tools.local_aws import control, server_process
from tools.local_aws.credentials import Access
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import Paths

ACTIONS = {
    "kill": "all programs of the node are killed, as by the loss of the machine",
    "kill-server": "Denodo's servers on the node are killed; the node program continues to run",
    "suspend": "Denodo's servers on the node hang (SIGSTOP)",
    "resume": "Denodo's servers on the node continue after `suspend`",
    "start": "the machine of the node boots again, which ends the effect of every other action",
}


def act(environment: Environment, node: str, action: str, paths: Paths) -> str:
    """Perform an action on the machine of a node, and return a sentence that describes the action.

    Raises:
        LocalAwsError: the node or the action is unknown, or the local AWS does not run.
    """
    if action not in ACTIONS:
        known = "\n".join(f"  DO={name}: {text}" for name, text in ACTIONS.items())
        message = f"DO={action} is not an action. Write one of\n{known}"
        raise LocalAwsError(message)
    cluster, _, name = node.partition("/")
    known_nodes = [
        f"{cluster_name}/{node_name}"
        for cluster_name, of in environment.clusters.items()
        for node_name in of.nodes
    ]
    if node not in known_nodes:
        message = (
            f"NODE={node} is not a node of the configuration: write one of {', '.join(known_nodes)}"
        )
        raise LocalAwsError(message)
    server = server_process.running(paths)
    if server is None:
        message = f"the local AWS is not running: start it with `{make_command('local')}`"
        raise LocalAwsError(message)
    where = environment.clusters[cluster]
    access = Access(server.endpoint, where.account, where.region)
    instance = where.nodes[name].instance_id or _instance(access, environment, cluster, name)
    control.call(server.endpoint, f"machines/{instance}", {"action": action}, method="PUT")
    return f"{node} ({instance}): {ACTIONS[action]}"


def _instance(access: Access, environment: Environment, cluster: str, node: str) -> str:
    filters = [
        {"Name": f"tag:{NODE_TAG}", "Values": [node]},
        {"Name": f"tag:{CLUSTER_TAG}", "Values": [cluster]},
        {"Name": f"tag:{ENVIRONMENT_TAG}", "Values": [environment.name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = access.client("ec2").describe_instances(Filters=filters)["Reservations"]
    for reservation in found:
        for instance in reservation["Instances"]:
            return str(instance["InstanceId"])
    message = f"{cluster}/{node} has no running instance: see `{full_command('status')}`"
    raise LocalAwsError(message)
