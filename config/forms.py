"""The forms that single values take: identifiers, names, CIDRs, ports.

A form is a regular expression plus what a person needs to hear when a value
does not fit it: what the value is not, why that matters, what to write instead.
The expression also goes into `schema.json`, so an editor marks the same values.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def wrong(what: str, why: str, instead: str, example: str) -> PydanticCustomError:
    """An error of one value, in the three parts that every message has, and a right value.

    The parts travel in the error's context, because Pydantic would read braces
    in the message itself as placeholders.
    """
    return PydanticCustomError(
        "form", "{what}", {"what": what, "why": why, "instead": instead, "example": example}
    )


@dataclass(frozen=True)
class Form:
    """What a string has to look like, and how to say that it does not."""

    pattern: str
    what: str
    why: str
    example: str
    hint: str = "write {example}"

    def check(self, value: str) -> str:
        """Return the value, or raise the three-part error."""
        if re.fullmatch(self.pattern, value) is None:
            instead = self.hint.format(example=self.example)
            raise wrong(self.what, self.why, instead, self.example)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after Pydantic has made sure that it is a string."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Give editors the same expression."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True)
class Example:
    """A right value of a type that is no form."""

    example: str


def _resource_id(prefix: str, kind: str) -> Form:
    return Form(
        rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})",
        f"is not the id of {kind}",
        f"such ids are '{prefix}-' and 8 or 17 hexadecimal digits",
        f"{prefix}-0123456789abcdef0",
        "write an id like {example}",
    )


def _arn(service: str, resource: str, kind: str, example: str) -> Form:
    return Form(
        rf"arn:aws[a-z-]*:{service}:{resource}",
        f"is not the ARN of {kind}",
        "AWS finds it by its full ARN only",
        example,
        "write an ARN like {example}",
    )


_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""DNS allows 63 characters in a label, and 253 in a name; records may also have underscores."""

_IPV4 = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(?!$)|$)){4}"

EnvironmentName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,23}",
        "is not a name for an environment",
        "it begins the name of every stack: a lower-case letter, then at most 23 of a-z, 0-9 and -",
        "denodo-prod",
        "write a name like {example}",
    ),
]
ClusterName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,15}",
        "is not a name for a cluster",
        "it ends the stack's name: a lower-case letter, then at most 15 of a-z, 0-9 and -",
        "active",
        "write a name like {example}",
    ),
]
ServiceName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,15}",
        "is not a name for a service",
        "names are a lower-case letter, then at most 15 of a-z, 0-9 and -",
        "jdbc",
        "write a name like {example}",
    ),
]
NodeName = Annotated[
    str,
    Form(
        rf"(?=.{{1,32}}$){_LABEL}(\.{_LABEL})*",
        "is not a name for a node",
        "it becomes a DNS name: labels of letters, digits and inner hyphens, joined by dots, "
        "32 characters at most",
        "node1",
        "write a name like {example} or vdp.node01",
    ),
]
AccountId = Annotated[
    str,
    Form(
        r"[0-9]{12}",
        "is not an AWS account id",
        "account ids are 12 digits, and a leading zero counts",
        "111122223333",
        'write 12 digits in quotes, like "{example}"',
    ),
]
Region = Annotated[
    str,
    Form(
        r"[a-z]{2,3}(-[a-z]+)+-[1-9]",
        "is not an AWS region",
        "regions are named by place and number",
        "eu-west-1",
        "write a region like {example}",
    ),
]
ZoneName = Annotated[
    str,
    Form(
        r"[a-z]{2,3}(-[a-z]+)+-[1-9][a-z]",
        "is not an availability zone",
        "a zone is its region and one letter; local and wavelength zones hold no cluster",
        "eu-west-1a",
        "write a zone like {example}",
    ),
]
VpcId = Annotated[str, _resource_id("vpc", "a VPC")]
SubnetId = Annotated[str, _resource_id("subnet", "a subnet")]
ImageId = Annotated[str, _resource_id("ami", "a machine image")]
InstanceId = Annotated[str, _resource_id("i", "an instance")]
PrefixListId = Annotated[str, _resource_id("pl", "a prefix list")]
InstanceType = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]*\.[a-z0-9-]+",
        "is not an instance type",
        "a type is a family and a size with a dot between",
        "m5.xlarge",
        "write a type like {example}",
    ),
]
HostedZoneId = Annotated[
    str,
    Form(
        r"Z[0-9A-Z]{1,31}",
        "is not the id of a hosted zone",
        "Route 53 ids are Z and capital letters and digits",
        "Z0123456789ABCDEFGHIJ",
        "write the id alone, without /hostedzone/, like {example}",
    ),
]
DomainName = Annotated[
    str,
    Form(
        rf"(?=.{{1,253}}$){_DNS_LABEL}(\.{_DNS_LABEL})+",
        "is not a domain name",
        "a domain is labels of letters, digits and inner hyphens with dots between, and none at "
        "its end",
        "example.com",
        "write a name like {example}",
    ),
]
HostName = Annotated[
    str,
    Form(
        rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*",
        "is not a host name",
        "nodes look it up in DNS: no scheme, no port, no final dot",
        "sm.example.com",
        "write a name like {example}",
    ),
]
RecordName = Annotated[
    str,
    Form(
        rf"@|(?=.{{1,253}}$)(\*|{_DNS_LABEL})(\.{_DNS_LABEL})*",
        "is not a record's name",
        "it stands before the zone's name: labels joined by dots; @ is the zone's own name",
        "denodo",
        "write a name like {example}",
    ),
]
DeviceName = Annotated[
    str,
    Form(
        r"/dev/(xvda|sda1|sda|xvda1)",
        "is not a root device",
        "an image's root device is one of /dev/xvda, /dev/xvda1, /dev/sda1 and /dev/sda (AWS, "
        "Device names for volumes on Amazon EC2 instances)",
        "/dev/xvda",
        "write what this prints: aws ec2 describe-images --image-ids ami-… --query "
        "Images[0].RootDeviceName",
    ),
]
KeyPairName = Annotated[
    str,
    Form(
        r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?",
        "is not the name of a key pair",
        "names are up to 255 printable ASCII characters",
        "denodo",
        "write the name that EC2 shows",
    ),
]
KmsKeyArn = Annotated[
    str,
    _arn(
        "kms",
        rf"[a-z0-9-]+:[0-9]{{12}}:key/({_UUID}|mrk-[0-9a-f]{{32}})",
        "a KMS key",
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
CertificateArn = Annotated[
    str,
    _arn(
        "acm",
        rf"[a-z0-9-]+:[0-9]{{12}}:certificate/{_UUID}",
        "an ACM certificate",
        "arn:aws:acm:eu-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
PolicyArn = Annotated[
    str,
    _arn(
        "iam",
        r":([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+",
        "an IAM policy",
        "arn:aws:iam::111122223333:policy/denodo-data",
    ),
]
SecretArn = Annotated[
    str,
    _arn(
        "secretsmanager",
        r"[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}",
        "a secret",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:denodo/tls-AbCdEf",
    ),
]
SecretVersion = Annotated[
    str,
    Form(
        r"[A-Za-z0-9-]{32,64}",
        "is not the id of a secret's version",
        "such ids are 32 to 64 letters, digits and hyphens",
        "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1",
        "write the VersionId that Secrets Manager shows",
    ),
]
ObjectUri = Annotated[
    str,
    Form(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[!-#%-)+->@-~]{1,1024}",
        "is not the address of an object in S3",
        "nodes fetch it by bucket and key, and $ ? * in a policy would let them read more",
        "s3://denodo-metadata/export.vql",
        "write an address like {example}",
    ),
]
FolderPath = Annotated[
    str,
    Form(
        r"(/[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]*)+",
        "is not the absolute path of a folder",
        "it is used on every node: slashes and names of letters, digits and . _ + @ = -, no slash "
        "at its end",
        "/opt/denodo/denodo_platform_8_0",
        "write a path like {example}",
    ),
]
LinuxUser = Annotated[
    str,
    Form(
        r"(?!root$)[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "is not the name of a Linux user for Denodo",
        "names begin with a letter or _, and have at most 32 letters, digits and . _ -; nothing "
        "runs as root",
        "denodo",
        "write a name like {example}",
    ),
]
JvmOptions = Annotated[
    str,
    Form(
        r"[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?",
        "is not a line of options",
        "it becomes one line of a file: up to 1000 printable ASCII characters, no blank at either "
        "end",
        "-Xmx8192m",
        "write options like {example}",
    ),
]
DatabaseClass = Annotated[
    str,
    Form(
        r"db\.[a-z][a-z0-9-]*\.[a-z0-9-]+",
        "is not an instance class of a database",
        "RDS has classes of its own: db, a family and a size with dots between",
        "db.t4g.medium",
        "write a class like {example}",
    ),
]
DatabaseVersion = Annotated[
    str,
    Form(
        r"1[5-8](\.[0-9]{1,2})?",
        "is not a version of PostgreSQL that is supported here",
        "from 15 to 18; before 15 everybody may create tables in a new database (PostgreSQL 15 "
        "release notes)",
        "16",
        'write a version in quotes, like "{example}" or "16.4"',
    ),
]
DatabasePrefix = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9_]{0,30}",
        "is not a prefix for names in PostgreSQL",
        "a lower-case letter, then at most 30 of a-z, 0-9 and _",
        "denodo_prod_",
        "write a prefix like {example}",
    ),
]
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)"
MaintenanceWindow = Annotated[
    str,
    Form(
        rf"{_DAY}:{_CLOCK}-{_DAY}:{_CLOCK}",
        "is not a maintenance window",
        "RDS takes day and time of begin and end, UTC (AWS, Amazon RDS API, CreateDBInstance)",
        "sun:03:00-sun:04:00",
        "write a window like {example}",
    ),
]
DatabaseWindow = Annotated[
    str,
    Form(
        rf"{_CLOCK}-{_CLOCK}",
        "is not a backup window",
        "RDS takes the times of begin and end, UTC (AWS, Amazon RDS API, CreateDBInstance)",
        "01:00-02:00",
        "write a window like {example}",
    ),
]
HomePath = Annotated[
    str,
    Form(
        r"(?=.{1,256}$)(?!(.*/)?\.\.?(/|$))[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*",
        "is not a file below DENODO_HOME",
        "nothing else on the node is changed",
        "conf/data-catalog/DataCatalogBackend.properties",
        "write a path like {example}",
    ),
]
HealthPath = Annotated[
    str,
    Form(
        r"/[\x21-\x7e]{0,1023}",
        "is not a path",
        "the check asks for it by HTTP: a slash, then up to 1023 visible ASCII characters",
        "/ready",
        "write a path like {example}",
    ),
]
Address = Annotated[
    str,
    Form(
        rf"{_IPV4}|eipalloc-([0-9a-f]{{8}}|[0-9a-f]{{17}})",
        "is neither a private IPv4 address nor an Elastic IP allocation",
        "a balancer's fixed address is one of the two, by its scheme",
        "10.0.1.10",
        "write {example}, or eipalloc-0123456789abcdef0 for an internet-facing balancer",
    ),
]
PrivateAddress = Annotated[
    str,
    Form(
        rf"{_IPV4}",
        "is not an IPv4 address",
        "a record leads to it: four numbers from 0 to 255 with dots between",
        "10.0.1.10",
        "write an address like {example}",
    ),
]
TagKey = Annotated[str, Field(min_length=1, max_length=128)]
TagText = Annotated[str, Field(max_length=256)]


_EXAMPLE_CIDR = "10.0.0.0/16"


def _network(value: str) -> str:
    """Check a CIDR: IPv4, with its length, with no host bits."""
    if "/" not in value:
        raise wrong(
            "has no prefix length",
            "a CIDR is an address and how many of its bits count",
            f"write {value}/32 for this one address",
            _EXAMPLE_CIDR,
        )
    try:
        IPv4Network(value)
    except (AddressValueError, NetmaskValueError):
        raise wrong(
            "is not an IPv4 CIDR",
            "clusters here speak IPv4 only",
            f"write a network like {_EXAMPLE_CIDR}",
            _EXAMPLE_CIDR,
        ) from None
    except ValueError:
        network = IPv4Network(value, strict=False)
        raise wrong(
            "has host bits set",
            "CloudFormation would store the network and report a change for ever",
            f"write {network}",
            str(network),
        ) from None
    if str(IPv4Network(value)) != value:
        raise wrong(
            "is not in network form",
            "AWS stores a length and not a mask, and would report a change for ever",
            f"write {IPv4Network(value)}",
            str(IPv4Network(value)),
        )
    return value


Cidr = Annotated[
    str,
    AfterValidator(_network),
    Example(_EXAMPLE_CIDR),
    Field(json_schema_extra={"pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$"}),
]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
