"""Every field type accepts the values that AWS and DNS accept, and the type's own example."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from denodo_ha.environment.model import aws_field_types, field_types
from denodo_ha.environment.model import aws_field_types as forms_database
from denodo_ha.environment.model import field_types as forms_network
from denodo_ha.environment.model import field_types as forms_node
from denodo_ha.environment.model.field_types import Cidr, Form, PortRange

MODULES = (aws_field_types, forms_database, field_types, forms_network, forms_node)


def _forms() -> Iterator[tuple[str, Any, Form]]:
    for module in MODULES:
        for name, kind in vars(module).items():
            for part in get_args(kind)[1:]:
                if isinstance(part, Form):
                    yield name, kind, part


ALL = {name: (kind, form) for name, kind, form in _forms()}


def takes(kind: Any, value: object) -> bool:
    """Return whether a type accepts a value."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ALL)
def test_a_final_newline_is_refused(name: str) -> None:
    """In Python's patterns, unlike in JSON schemas, `$` also matches before a final newline."""
    kind, form = ALL[name]
    assert not takes(kind, f"{form.example}\n")


@pytest.mark.parametrize("name", ALL)
def test_takes_its_example(name: str) -> None:
    kind, form = ALL[name]
    assert takes(kind, form.example)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", ["", " ", "\n", "a b\n", 5, None, ["x"], "ü", "x" * 2000])
def test_refuses_what_is_none(name: str, value: object) -> None:
    assert not takes(ALL[name][0], value)


@pytest.mark.parametrize("name", ALL)
def test_refuses_its_example_with_something_before_or_after(name: str) -> None:
    kind, form = ALL[name]
    for value in (f" {form.example}", f"{form.example} ", f"{form.example}\n", f"\n{form.example}"):
        assert not takes(kind, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EnvironmentName", "a"),
        ("EnvironmentName", "a" * 24),
        ("ClusterName", "a" * 16),
        ("ServiceName", "jdbc-2"),
        ("NodeName", "vdp.node01"),
        ("NodeName", "A"),
        ("NodeName", "7"),
        ("NodeName", "a" * 32),
        ("NodeName", "a-b.c-d.E9"),
        ("AccountId", "000000000001"),
        ("Region", "us-gov-west-1"),
        ("Region", "cn-northwest-1"),
        ("Region", "ap-southeast-7"),
        ("ZoneName", "us-gov-east-1c"),
        ("VpcId", "vpc-01234567"),
        ("InstanceType", "u-6tb1.56xlarge"),
        ("InstanceType", "m7i-flex.large"),
        ("InstanceType", "m5.metal"),
        ("HostedZoneId", "Z1"),
        ("DomainName", "_acme.example.com"),
        ("DomainName", "denodo.internal"),
        ("HostName", "sm"),
        ("RecordName", "@"),
        ("RecordName", "a" * 63),
        ("RecordName", f"{'a.' * 126}a"),
        ("DomainName", f"{'a' * 63}.com"),
        ("RecordName", "*"),
        ("RecordName", "*.denodo"),
        ("RecordName", "_jdbc.denodo"),
        ("DeviceName", "/dev/sda1"),
        ("KeyPairName", "my key"),
        ("KmsKeyArn", f"arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-{'0' * 32}"),
        ("PolicyArn", "arn:aws:iam::aws:policy/service-role/AmazonEC2RoleforSSM"),
        ("HealthPath", "/"),
        ("HealthPath", "/a?b=c"),
        ("Address", "10.0.0.1"),
        ("Address", "eipalloc-01234567"),
    ],
)
def test_takes_the_unusual(name: str, value: str) -> None:
    assert takes(ALL[name][0], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EnvironmentName", "a" * 25),
        ("EnvironmentName", "1a"),
        ("EnvironmentName", "a_b"),
        ("ClusterName", "a" * 17),
        ("ServiceName", "JDBC"),
        ("NodeName", "a" * 33),
        ("NodeName", "-a"),
        ("NodeName", "a-"),
        ("NodeName", "a..b"),
        ("NodeName", "a_b"),
        ("NodeName", "a."),
        ("AccountId", "1111222233334"),
        ("AccountId", "1111-2222-3333"),
        ("Region", "eu-west"),
        ("Region", "eu-west-1a"),
        ("ZoneName", "eu-west-1"),
        ("ZoneName", "us-west-2-lax-1a"),
        ("VpcId", "vpc-012345678"),
        ("VpcId", "vpc-0123456G"),
        ("VpcId", "subnet-01234567"),
        ("ImageId", "resolve:ssm:/aws/service/ami"),
        ("InstanceType", "xlarge"),
        ("HostedZoneId", "/hostedzone/Z1"),
        ("HostedZoneId", "z1"),
        ("DomainName", "com"),
        ("DomainName", "example.com."),
        ("DomainName", f"{'a.' * 127}com"),
        ("DomainName", f"{'a' * 64}.com"),
        ("HostName", "a" * 64),
        ("RecordName", "a" * 64),
        ("RecordName", f"{'a.' * 127}a"),
        ("HostName", "sm.example.com:443"),
        ("HostName", "http://sm"),
        ("RecordName", "denodo."),
        ("RecordName", "a.*"),
        ("DeviceName", "/dev/sdf"),
        ("KmsKeyArn", "alias/aws/ebs"),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:111122223333:alias/denodo"),
        ("CertificateArn", "arn:aws:iam::111122223333:server-certificate/x"),
        ("PolicyArn", "AmazonSSMManagedInstanceCore"),
        ("HealthPath", "ready"),
        ("HealthPath", "/a b"),
        ("Address", "10.0.0.256"),
        ("Address", "10.0.0"),
        ("Address", "10.0.0.1/32"),
    ],
)
def test_refuses_the_nearly_right(name: str, value: str) -> None:
    assert not takes(ALL[name][0], value)


@pytest.mark.parametrize("value", ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "192.168.0.0/16"])
def test_cidr_takes_networks(value: str) -> None:
    assert takes(Cidr, value)


@pytest.mark.parametrize(
    "value",
    [
        *("10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/08"),
        *("::/0", "10.0.0.0/255.0.0.0", "010.0.0.0/8", "10.0.0.0/8 ", "10.0.0.0/", "/8", "a/b"),
        *("10.0.0.0/8/8", "1.2.3.4/0.0.0.255"),
    ],
)
def test_cidr_refuses_the_rest(value: str) -> None:
    assert not takes(Cidr, value)


@pytest.mark.parametrize("value", [1, 65535, "443", "1-65535", "8020-8020"])
def test_ports_and_ranges_of_ports(value: object) -> None:
    assert takes(PortRange, value)


@pytest.mark.parametrize(
    "value", [0, 65536, -1, True, 1.5, None, "", "0", "2-1", "1-65536", "1-", "-1", "01", "1-2-3"]
)
def test_neither_a_port_nor_a_range_of_ports(value: object) -> None:
    assert not takes(PortRange, value)
