"""Load balancers, target groups and listeners that AWS refuses."""

from tests.local_aws import templates
from tests.local_aws.resource_types.refused import CERTIFICATE, NOBODY, Refused
from tests.local_aws.templates import ref, resource

REFUSED: Refused = {
    "balancer in no subnet": (
        {"It": templates.balancer(Subnets=[f"subnet-{NOBODY}"])},
        "SubnetNotFound",
    ),
    "public balancer without a gateway": (
        {**templates.network(), "It": templates.balancer(Scheme="internet-facing")},
        "InvalidSubnet",
    ),
    "balancer with a group of nobody": (
        {**templates.network(), "It": templates.balancer(SecurityGroups=[f"sg-{NOBODY}"])},
        "InvalidSecurityGroup",
    ),
    "balancer with an address of nobody": (
        {
            **templates.public(),
            "It": {
                **resource(
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
            **templates.network(),
            "It": resource(
                "ElasticLoadBalancingV2::LoadBalancer",
                Type="network",
                Scheme="internal",
                SubnetMappings=[{"SubnetId": ref("A"), "PrivateIPv4Address": "10.0.1.9"}],
            ),
        },
        "InvalidConfigurationRequest",
    ),
    "group without a VPC": (
        {"It": templates.group(VpcId=f"vpc-{NOBODY}")},
        "ValidationError",
    ),
    "target of nobody": (
        {**templates.network(), "It": templates.group({"Ref": "AWS::StackName"})},
        "InvalidTarget",
    ),
    "check that outlasts its interval": (
        {**templates.network(), "It": templates.group(HealthCheckTimeoutSeconds=5)},
        "ValidationError",
    ),
    "attribute that no group has": (
        {
            **templates.network(),
            "It": templates.group(TargetGroupAttributes=[{"Key": "sticky", "Value": "true"}]),
        },
        "ValidationError",
    ),
    "second listener on a port": (
        {**templates.behind(), "First": templates.listener(), "Second": templates.listener()},
        "DuplicateListener",
    ),
    "listener of HTTP on an NLB": (
        {**templates.behind(), "It": templates.listener(Protocol="HTTP")},
        "ValidationError",
    ),
    "TLS without a certificate": (
        {**templates.behind(), "It": templates.listener(Protocol="TLS")},
        "ValidationError",
    ),
    "TLS with a certificate of nobody": (
        {
            **templates.behind(),
            "It": templates.listener(
                Protocol="TLS", Certificates=[{"CertificateArn": CERTIFICATE}]
            ),
        },
        "CertificateNotFound",
    ),
    "idle timeout out of bounds": (
        {
            **templates.behind(),
            "It": templates.listener(
                ListenerAttributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "59"}]
            ),
        },
        "ValidationError",
    ),
}
