"""The local AWS creates a configuration's prerequisites with the ids in the configuration."""

import base64
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from denodo_ha.environment.loading.loader import load
from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server
from tests.support.assembly import EXAMPLES, ROOT
from tools.local_aws import deployment
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.prerequisites import Prerequisite, image_contents, prerequisites_of

CERTIFICATE = "11111111-2222-3333-4444-555555555555"
EVERYTHING = """
name: everything
denodo: {version: "8.0"}
permissions_boundary: arn:aws:iam::ACCOUNT:policy/teams/bound
services:
  jdbc: 9999
  web:
    port: 443
    node_port: 9090
    tls: arn:aws:acm:eu-west-1:ACCOUNT:certificate/11111111-2222-3333-4444-555555555555
clusters:
  main:
    account: "ACCOUNT"
    region: eu-west-1
    network:
      vpc: vpc-0a1b2c3d4e5f60718
      cidr: 10.8.0.0/16
      health_checkers: pl-0123456789abcdef0
      zones:
        eu-west-1a: {nodes: subnet-0aaaaaaaaaaaaaaaa, balancer: subnet-0bbbbbbbbbbbbbbbb}
        eu-west-1b: {nodes: subnet-0cccccccccccccccc, balancer: subnet-0dddddddddddddddd}
    instance:
      type: m5.xlarge
      image: ami-0123456789abcdef0
      root_device: /dev/sda1
      key: denodo
      role_policies:
        - arn:aws:iam::ACCOUNT:policy/denodo-data
        - arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
    nodes:
      node1: {zone: eu-west-1a}
      node2: {zone: eu-west-1b, instance: {image: ami-0fedcba9876543210}}
      node3: {zone: eu-west-1b, instance_id: i-0aaaaaaaaaaaaaaaa}
    balancer:
      kind: nlb
      clients: [10.0.0.0/8]
      addresses: {eu-west-1a: 10.8.99.10, eu-west-1b: 10.8.130.10}
"""


TLS: dict[str, Any] = {
    "version": "8.0",
    "tls": {
        "secret": "arn:aws:secretsmanager:eu-west-1:ACCOUNT:secret:denodo-tls-AbCdEf",
        "version": "1" * 32,
    },
}


@pytest.fixture
def loaded(tmp_path: Path, cloud: Cloud) -> Any:
    file = tmp_path / "everything.yaml"
    file.write_text(EVERYTHING.replace("ACCOUNT", cloud.access.account))
    return load(file)


def test_everything_that_is_named_is_made_once(loaded: Any, cloud: Cloud) -> None:
    prerequisites = prerequisites_of(loaded)
    assert deployment.make_prerequisites(cloud.access.endpoint, loaded) == len(prerequisites)
    assert deployment.make_prerequisites(cloud.access.endpoint, loaded) == 0
    ec2 = cloud.client("ec2")
    (vpc,) = ec2.describe_vpcs(VpcIds=["vpc-0a1b2c3d4e5f60718"])["Vpcs"]
    assert vpc["CidrBlock"] == "10.8.0.0/16"
    images = ["ami-0123456789abcdef0", "ami-0fedcba9876543210"]
    description = ec2.describe_images(ImageIds=images)["Images"]
    assert {image["RootDeviceName"] for image in description} == {"/dev/sda1"}
    assert ec2.describe_key_pairs(KeyNames=["denodo"])["KeyPairs"]
    lists = ec2.describe_managed_prefix_lists(PrefixListIds=["pl-0123456789abcdef0"])
    (prefix_list,) = lists["PrefixLists"]
    assert prefix_list["PrefixListName"] == "com.amazonaws.eu-west-1.route53-healthchecks"
    (reservation,) = ec2.describe_instances(InstanceIds=["i-0aaaaaaaaaaaaaaaa"])["Reservations"]
    (adopted,) = reservation["Instances"]
    assert adopted["SubnetId"] == "subnet-0cccccccccccccccc"
    # The adopted instance's security groups admit the clients, and the health checks of the VPC.
    groups = [item["GroupId"] for item in adopted["SecurityGroups"]]
    rules = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"][0]["IpPermissions"]
    admitted = {item["CidrIp"] for rule in rules for item in rule["IpRanges"]}
    assert admitted == {"10.8.0.0/16", "10.0.0.0/8"}
    arn = f"arn:aws:acm:eu-west-1:{cloud.access.account}:certificate/{CERTIFICATE}"
    certificate = cloud.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    assert certificate["Status"] == "ISSUED"
    iam = cloud.client("iam")
    for path in ("teams/bound", "denodo-data"):
        assert iam.get_policy(PolicyArn=f"arn:aws:iam::{cloud.access.account}:policy/{path}")


def test_subnets_are_apart_in_their_zones_and_hold_fixed_addresses(
    loaded: Any, cloud: Cloud
) -> None:
    deployment.make_prerequisites(cloud.access.endpoint, loaded)
    inside = [{"Name": "vpc-id", "Values": ["vpc-0a1b2c3d4e5f60718"]}]
    description = {
        subnet["SubnetId"]: subnet
        for subnet in cloud.client("ec2").describe_subnets(Filters=inside)["Subnets"]
    }
    assert len(description) == 4
    assert description["subnet-0cccccccccccccccc"]["AvailabilityZone"] == "eu-west-1b"
    blocks = {id_: IPv4Network(subnet["CidrBlock"]) for id_, subnet in description.items()}
    assert IPv4Address("10.8.99.10") in blocks["subnet-0bbbbbbbbbbbbbbbb"]
    assert IPv4Address("10.8.130.10") in blocks["subnet-0dddddddddddddddd"]
    pairs = [(a, b) for a in blocks.values() for b in blocks.values() if a is not b]
    assert not any(block.overlaps(other) for block, other in pairs)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_each_prerequisite_has_one_account_and_region(example: Path) -> None:
    keys = [
        (item.kind, item.id) for item in prerequisites_of(load(example)) if item.kind != "image"
    ]
    assert len(keys) == len(set(keys))


def test_a_request_has_kind_id_and_properties() -> None:
    item = Prerequisite("1", "r", "vpc", "vpc-1", (("cidr", "10.0.0.0/16"),))
    assert item.request == {"kind": "vpc", "id": "vpc-1", "cidr": "10.0.0.0/16"}


def test_an_unknown_kind_is_refused(cloud: Cloud) -> None:
    with pytest.raises(
        LocalAwsError, match="'castle' is not a kind of prerequisite: write one of address"
    ):
        cloud.give({"kind": "castle", "id": "x"})


def test_prerequisites_survive_a_stack_that_uses_them(cloud: Cloud) -> None:
    cloud.give(
        {"kind": "vpc", "id": "vpc-1", "cidr": "10.0.0.0/16"},
        {"kind": "subnet", "id": "subnet-1", "vpc": "vpc-1", "zone": "eu-west-1a"},
        {"kind": "image", "id": templates.IMAGE},
    )
    stack = cloud.deploy({"It": templates.node(SubnetId="subnet-1")})
    stack.delete()
    assert cloud.client("ec2").describe_subnets(SubnetIds=["subnet-1"])["Subnets"]


def test_endpoint_of_the_run_is_on_this_machine() -> None:
    assert local_aws_server.endpoint().startswith("http://127.0.0.1:")


def test_nodes_get_key_stores_that_one_authority_has_signed(tmp_path: Path, cloud: Cloud) -> None:
    data = EVERYTHING.replace('denodo: {version: "8.0"}', f"denodo: {json.dumps(TLS)}")
    data = data.replace("ACCOUNT", cloud.access.account)
    file = tmp_path / "tls.yaml"
    secrets = cloud.client("secretsmanager")
    for version in ("1" * 32, "2" * 32):
        file.write_text(data.replace("1" * 32, version))
        # A renewed certificate is a new version of the same secret.
        assert deployment.make_prerequisites(cloud.access.endpoint, load(file)) > 0
        assert deployment.make_prerequisites(cloud.access.endpoint, load(file)) == 0
        value = secrets.get_secret_value(SecretId="denodo-tls", VersionId=version)
        parts = json.loads(value["SecretString"])
        store, trusted = (
            base64.b64decode(parts[name]).decode() for name in ("keystore", "truststore")
        )
        leaf, issuer = x509.load_pem_x509_certificates(store.encode())
        leaf.verify_directly_issued_by(issuer)
        assert trusted in store
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "node1.main.everything.internal" in names.get_values_for_type(x509.DNSName)


def test_a_node_finds_each_secret_that_its_configuration_names(
    tmp_path: Path, cloud: Cloud
) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:ACCOUNT:secret"
    denodo = {
        "version": "8.0",
        "security_token": f"{arn}:denodo/token-AbCdEf",
        "metadata": {
            "source": "export",
            "uri": "s3://exports/metadata.vql",
            "login": f"{arn}:denodo/import-AbCdEf",
        },
    }
    data = EVERYTHING.replace('denodo: {version: "8.0"}', f"denodo: {json.dumps(denodo)}")
    data += f"    exports: {{login: '{arn}:denodo/export-AbCdEf'}}\n"
    file = tmp_path / "secrets.yaml"
    file.write_text(data.replace("ACCOUNT", cloud.access.account))
    deployment.make_prerequisites(cloud.access.endpoint, load(file))
    secrets = cloud.client("secretsmanager")
    account_arn = arn.replace("ACCOUNT", cloud.access.account)
    keys = {
        name: set(json.loads(secrets.get_secret_value(SecretId=id_)["SecretString"]))
        for name in ("token", "import", "export")
        for id_ in [f"{account_arn}:denodo/{name}-AbCdEf"]
    }
    login = {"username", "password"}
    assert keys == {"token": {"sso.enabled", "sso.key"}, "import": login, "export": login}
    assert deployment.make_prerequisites(cloud.access.endpoint, load(file)) == 0


def test_an_image_has_what_the_services_need_beside_the_node_program() -> None:
    environment = load(ROOT / "config/examples/haproxy.yaml").environment
    contents = image_contents(environment, "active")["contents"]
    assert contents["starts"] == ["scheduler_startup.sh"]
    # HAProxy verifies that a node's certificate has the node's name.
    assert "node1.active.denodo70ha.internal" in contents["certificate_names"]
    environment = load(ROOT / "config/examples/internet-facing.yaml").environment
    contents = image_contents(environment, "east")["contents"]
    assert contents["flight_port"] == 9994
    # No certificate is made for the image: the key store in the nodes' secret has the certificate.
    assert "certificate_names" not in contents
    environment = load(ROOT / "config/examples/shared-catalog.yaml").environment
    assert image_contents(environment, "main")["contents"]["shares_scheduler"]
    environment = load(ROOT / "config/examples/active-passive.yaml").environment
    assert image_contents(environment, "active")["contents"].keys() == {"denodo", "managers"}
