"""Balancers, target groups and listeners that AWS refuses."""

from tests.local_aws import things
from tests.local_aws.refused import CERTIFICATE, NOBODY, Refused
from tests.local_aws.things import one, ref

REFUSED: Refused = {
    "balancer in no subnet": (
        {"It": things.balancer(Subnets=[f"subnet-{NOBODY}"])},
        "SubnetNotFound",
    ),
    "public balancer without a gateway": (
        {**things.network(), "It": things.balancer(Scheme="internet-facing")},
        "InvalidSubnet",
    ),
    "balancer with a group of nobody": (
        {**things.network(), "It": things.balancer(SecurityGroups=[f"sg-{NOBODY}"])},
        "InvalidSecurityGroup",
    ),
    "balancer with an address of nobody": (
        {
            **things.public(),
            "It": {
                **one(
                    "ElasticLoadBalancingV2::LoadBalancer",
                    Type="network",
                    Scheme="internet-facing",
                    SubnetMappings=[
                        {"SubnetId": ref("A"), "AllocationId": f"eipalloc-{NOBODY}"},
                    ],
                ),
                "DependsOn": "Attached",
            },
        },
        "AllocationIdNotFound",
    ),
    "private address outside its subnet": (
        {
            **things.network(),
            "It": one(
                "ElasticLoadBalancingV2::LoadBalancer",
                Type="network",
                Scheme="internal",
                SubnetMappings=[{"SubnetId": ref("A"), "PrivateIPv4Address": "10.0.1.9"}],
            ),
        },
        "InvalidConfigurationRequest",
    ),
    "group without a VPC": (
        {"It": things.group(VpcId=f"vpc-{NOBODY}")},
        "ValidationError",
    ),
    "target of nobody": (
        {**things.network(), "It": things.group({"Ref": "AWS::StackName"})},
        "InvalidTarget",
    ),
    "check that outlasts its interval": (
        {**things.network(), "It": things.group(HealthCheckTimeoutSeconds=5)},
        "ValidationError",
    ),
    "attribute that no group has": (
        {
            **things.network(),
            "It": things.group(TargetGroupAttributes=[{"Key": "sticky", "Value": "true"}]),
        },
        "ValidationError",
    ),
    "second listener on a port": (
        {**things.behind(), "First": things.listener(), "Second": things.listener()},
        "DuplicateListener",
    ),
    "listener of HTTP on an NLB": (
        {**things.behind(), "It": things.listener(Protocol="HTTP")},
        "ValidationError",
    ),
    "TLS without a certificate": (
        {**things.behind(), "It": things.listener(Protocol="TLS")},
        "ValidationError",
    ),
    "TLS with a certificate of nobody": (
        {
            **things.behind(),
            "It": things.listener(Protocol="TLS", Certificates=[{"CertificateArn": CERTIFICATE}]),
        },
        "CertificateNotFound",
    ),
    "idle timeout out of bounds": (
        {
            **things.behind(),
            "It": things.listener(
                ListenerAttributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "59"}]
            ),
        },
        "ValidationError",
    ),
}
