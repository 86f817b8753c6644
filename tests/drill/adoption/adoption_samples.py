"""A small site with one service and two auxiliary ports, and the stack that would take it over.

Tests change one property of the deployed resources or of the template, and check the comparison.
"""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.live.adoption.found_cluster import FoundSite, SiteResources
from denodo_ha.drill.live.adoption.site_clusters import find_clusters
from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.live.adoption.takeover import Takeover, takeovers
from denodo_ha.drill.live.live_site import LiveSite, LiveTemplate

Data = dict[str, Any]
Change = Callable[[Data], None]

REGION: Final = "eu-west-1"
SECOND_REGION: Final = "eu-central-1"
ACCOUNT: Final = "123456789012"
ENVIRONMENT: Final = "prod"
STACK: Final = f"{ENVIRONMENT}-main"
VPC: Final = "vpc-0123456789abcdef0"
SECOND_VPC: Final = "vpc-0fedcba9876543210"
GROUP: Final = "sg-0123456789abcdef0"
NODE_GROUP: Final = "sg-0fedcba9876543210"
ONE, OTHER = "i-0aaaaaaaaaaaaaaaa", "i-0bbbbbbbbbbbbbbbb"
NODES: Final = {ONE: f"{REGION}a", OTHER: f"{REGION}b"}
SUBNETS: Final = {
    f"{REGION}a": "subnet-0aaaaaaaaaaaaaaaa",
    f"{REGION}b": "subnet-0bbbbbbbbbbbbbbbb",
}
_ELB: Final = "AWS::ElasticLoadBalancingV2::"
_PORTS: Final = {
    "jdbc": (9999, [ONE, OTHER]),
    "node1": (19997, [ONE]),
    "node2": (29997, [OTHER]),
}
_TIMES: Final = {
    "HealthCheckIntervalSeconds": 5,
    "HealthCheckTimeoutSeconds": 4,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
}


def arn(kind: str, name: str) -> str:
    """Return an ARN of Elastic Load Balancing."""
    return f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:{kind}/{name}"


BALANCER: Final = arn("loadbalancer", "net/denodo/1")


def ref(logical_id: str) -> str:
    """Return a reference to a resource, as the reader of deployed resources writes it."""
    return f"${{{REGION}/{logical_id}}}"


def live_data() -> Data:
    """Return deployed resources with their ids, and AWS's answers to the calls of `adopt`."""
    resources = {
        "nlb": {
            "Type": f"{_ELB}LoadBalancer",
            "Properties": {
                "Type": "network",
                "Scheme": "internal",
                "Name": "denodo",
                "SecurityGroups": [GROUP],
                "Subnets": list(SUBNETS.values()),
                "LoadBalancerAttributes": _attributes(
                    {
                        "load_balancing.cross_zone.enabled": "true",
                        "deletion_protection.enabled": "false",
                    }
                ),
                "Tags": _tags(),
            },
        }
    }
    ids = {"nlb": BALANCER}
    for name, (port, nodes) in _PORTS.items():
        resources[f"group-{name}"] = {
            "Type": f"{_ELB}TargetGroup",
            "Properties": {
                "Name": f"group-{name}",
                "Port": port,
                "Protocol": "TCP",
                "VpcId": VPC,
                "TargetType": "instance",
                "HealthCheckProtocol": "TCP",
                "HealthCheckPort": "traffic-port",
                **_TIMES,
                "TargetGroupAttributes": _attributes({"preserve_client_ip.enabled": "true"}),
                "Targets": [{"Id": ref(node), "Port": port} for node in nodes],
                "Tags": _tags(),
            },
        }
        ids[f"group-{name}"] = arn("targetgroup", f"group-{name}/1")
        resources[f"listener-{name}"] = {
            "Type": f"{_ELB}Listener",
            "Properties": {
                "LoadBalancerArn": ref("nlb"),
                "Port": port,
                "Protocol": "TCP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": ref(f"group-{name}")}],
            },
        }
        ids[f"listener-{name}"] = arn("listener", f"net/denodo/1/{port}")
    for node, zone in NODES.items():
        resources[node] = {"Type": "AWS::EC2::Instance", "Properties": {"AvailabilityZone": zone}}
        ids[node] = node
    listeners = [id_ for key, id_ in ids.items() if key.startswith("listener-")]
    return {
        "resources": resources,
        "ids": ids,
        "owner": REGION,
        "others": [],
        "details": {
            "balancers": {
                BALANCER: {
                    "LoadBalancerArn": BALANCER,
                    "DNSName": "denodo.elb.eu-west-1.amazonaws.com",
                    "VpcId": VPC,
                    "AvailabilityZones": [
                        {"ZoneName": zone, "SubnetId": subnet} for zone, subnet in SUBNETS.items()
                    ],
                }
            },
            "listener_attributes": {id_: {"tcp.idle_timeout.seconds": "350"} for id_ in listeners},
            "listener_tags": {id_: _map(_tags()) for id_ in listeners},
            "instances": {
                node: {
                    "InstanceId": node,
                    "PrivateIpAddress": f"10.0.{number}.4",
                    "Placement": {"AvailabilityZone": zone},
                    "SecurityGroups": [{"GroupId": NODE_GROUP}],
                    "Tags": [],
                }
                for number, (node, zone) in enumerate(NODES.items())
            },
            "security_groups": {
                GROUP: {"GroupId": GROUP, "Description": "Denodo balancer", "Tags": _tags()}
            },
            "rules": [
                {
                    "SecurityGroupRuleId": "sgr-1",
                    "GroupId": GROUP,
                    "IsEgress": False,
                    "IpProtocol": "tcp",
                    "FromPort": 9999,
                    "ToPort": 9999,
                    "CidrIpv4": "10.0.0.0/8",
                }
            ],
            "networks": {VPC: ["10.0.0.0/16"]},
        },
    }


def template() -> Data:
    """Return the template of the stack that would take over the site, as the CDK writes it."""
    resources: Data = {
        "Sg": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "Denodo balancer", "VpcId": VPC, "Tags": _tags()},
        },
        "Rule": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "CidrIp": "10.0.0.0/8",
                "FromPort": 9999,
                "ToPort": 9999,
                "IpProtocol": "tcp",
                "GroupId": {"Fn::GetAtt": ["Sg", "GroupId"]},
            },
        },
        "Nlb": {
            "Type": f"{_ELB}LoadBalancer",
            "Properties": {
                "Type": "network",
                "Scheme": "internal",
                "SecurityGroups": [{"Fn::GetAtt": ["Sg", "GroupId"]}],
                "Subnets": list(SUBNETS.values()),
                "LoadBalancerAttributes": _attributes(
                    {"load_balancing.cross_zone.enabled": "true"}
                ),
                "Tags": _tags(),
            },
        },
    }
    for name, (port, nodes) in _PORTS.items():
        resources[f"Group{name}"] = {
            "Type": f"{_ELB}TargetGroup",
            "Properties": {
                "Port": port,
                "Protocol": "TCP",
                "VpcId": VPC,
                "TargetType": "instance",
                "HealthCheckProtocol": "TCP",
                "HealthCheckPort": str(port),
                **_TIMES,
                "TargetGroupAttributes": _attributes({"preserve_client_ip.enabled": "true"}),
                "Targets": [{"Id": node, "Port": port} for node in nodes],
                "Tags": _tags(),
            },
        }
        resources[f"Listener{name}"] = {
            "Type": f"{_ELB}Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Nlb"},
                "Port": port,
                "Protocol": "TCP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": f"Group{name}"}}],
                "Tags": _tags(),
            },
        }
    return {"Resources": resources}


def _attributes(values: Mapping[str, str]) -> list[Data]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _tags() -> list[Data]:
    return _attributes({"denodo:cluster": "main", "denodo:environment": ENVIRONMENT})


def _map(pairs: list[Data]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def found_site(change: Change | None = None) -> FoundSite:
    """Return the clusters of the site, after a change of the deployed resources."""
    data = copy.deepcopy(live_data())
    if change is not None:
        change(data)
    templates = [
        LiveTemplate(
            name,
            ACCOUNT,
            SECOND_REGION if name == SECOND_REGION else REGION,
            {"Resources": resources},
            ids,
        )
        for name, resources, ids in (
            *data["others"],
            (data["owner"], data["resources"], data["ids"]),
        )
    ]
    return find_clusters(SiteResources(LiveSite(tuple(templates))), SiteDetails(**data["details"]))


def with_second_region(data: Data) -> None:
    """Add the same cluster in a second region; its failover record (SECONDARY) is read first."""
    copied = {key: data[key] for key in ("resources", "ids", "details")}
    text = json.dumps(copied).replace(REGION, SECOND_REGION)
    for old, new in {ONE: "i-0cccccccccccccccc", OTHER: "i-0dddddddddddddddd"}.items():
        text = text.replace(old, new)
    second = json.loads(text.replace(VPC, SECOND_VPC))
    records = {
        role: record("denodo.example.com", f"${{{region}/nlb.DNSName}}", Failover=role)
        for role, region in (("SECONDARY", SECOND_REGION), ("PRIMARY", REGION))
    }
    data["others"] = [
        (SECOND_REGION, second["resources"], second["ids"]),
        ("route53", records, dict.fromkeys(records, "denodo.example.com")),
    ]
    details = data["details"]
    for name, values in second["details"].items():
        details[name] = (
            details[name] + values if isinstance(values, list) else {**details[name], **values}
        )
    details["zone_names"] = {"Z1": "example.com"}


def record(name: str, value: str, **properties: str) -> Data:
    """Return an alias record of this name that leads to a DNS name."""
    values = {"HostedZoneId": "Z1", "Name": f"{name}.", "Type": "A", **properties}
    return {
        "Type": "AWS::Route53::RecordSet",
        "Properties": {**values, "AliasTarget": {"DNSName": value}},
    }


def takeover(live: Change | None = None, declared: Change | None = None) -> Takeover:
    """Return the takeover; `live` changes the deployed resources, `declared` the template."""
    body = template()
    if declared is not None:
        declared(body["Resources"])
    stack = SynthesisedStack(STACK, REGION, ACCOUNT, body)
    (result,) = takeovers(ENVIRONMENT, found_site(live), [stack])
    return result
