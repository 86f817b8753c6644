"""The flows of health checks, which security groups or cuts can keep from their targets.

AWS, Update the security groups for your Network Load Balancer: health checks come from the private
addresses of the load balancer. The checks need an outbound rule of the load balancer's security
groups, and an inbound rule of the target's. Without one of these rules, and while the target's zone
is cut off, a check times out.
"""

from tools.local_aws.emulator import cuts, ministack
from tools.local_aws.emulator.ec2 import admission, security_groups
from tools.local_aws.emulator.ec2.admission import Peer
from tools.local_aws.emulator.elb import load_balancers, probe
from tools.local_aws.emulator.living import LIVING

Instance = ministack.Record


def reach(group: ministack.Record, instance: Instance | None, port: int) -> bool:
    """Return whether the checks of a target group reach a port of an instance.

    Security groups are evaluated only while the part `balancers` is on, because the instances of
    most tests have no security groups.
    """
    if instance is None:
        return True
    zone = instance["Placement"]["AvailabilityZone"]
    if cuts.is_cut(ministack.region(), zone, instance["InstanceId"]):
        return False
    if not LIVING.is_on("balancers"):
        return True
    return any(_admitted(arn, instance, port) for arn in group["LoadBalancerArns"])


def header(arn: str) -> bytes:
    """Return the first bytes that checks of a target group send: a PROXY header, or nothing."""
    proxied = {"Key": "proxy_protocol_v2.enabled", "Value": "true"}
    uses_it = proxied in (ministack.target_group_attributes.get(arn) or [])
    return probe.PROXY_HEADER if uses_it and LIVING.is_on("balancers") else b""


def _admitted(balancer: str, instance: Instance, port: int) -> bool:
    record = ministack.load_balancers.get(balancer)
    if record is None:
        return False
    of_balancer = record["SecurityGroups"]
    of_instance = [item["GroupId"] for item in instance["SecurityGroups"]]
    rules = {id_: security_groups.rules(id_) for id_ in {*of_balancer, *of_instance}}
    leaves = not of_balancer or admission.admits(
        of_balancer,
        "egress",
        rules,
        Peer(instance["PrivateIpAddress"], frozenset(of_instance)),
        port,
    )
    return leaves and any(
        admission.admits(of_instance, "ingress", rules, Peer(item, frozenset(of_balancer)), port)
        for item in load_balancers.private_addresses(record).values()
    )
