"""Types of AWS identifiers: accounts, regions, zones, ids, instance types and ARNs."""

from typing import Annotated

from pydantic import TypeAdapter, ValidationError

from denodo_ha.environment.model.field_types import Form


def _resource_id(prefix: str, kind: str) -> Form:
    return Form(
        rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})",
        f"is not the id of {kind}",
        f"the id must be '{prefix}-' followed by 8 or 17 hexadecimal digits",
        f"{prefix}-0123456789abcdef0",
        "write an id like {example}",
    )


def _arn(service: str, resource: str, kind: str, example: str) -> Form:
    return Form(
        rf"arn:aws[a-z-]*:{service}:{resource}",
        f"is not the ARN of {kind}",
        "the full ARN is required",
        example,
        "write an ARN like {example}",
    )


_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

AccountId = Annotated[
    str,
    Form(
        r"[0-9]{12}",
        "is not an AWS account id",
        "account ids are 12 digits, including leading zeros",
        "111122223333",
        'write 12 digits in quotes, like "{example}"',
    ),
]
Region = Annotated[
    str,
    Form(
        r"[a-z]{2,3}(-[a-z]+)+-[1-9]",
        "is not an AWS region",
        "a region is an area, a direction and a number, joined by hyphens",
        "eu-west-1",
        "write a region like {example}",
    ),
]
ZoneName = Annotated[
    str,
    Form(
        r"[a-z]{2,3}(-[a-z]+)+-[1-9][a-z]",
        "is not an availability zone",
        "a zone is the name of its region and one letter; Local and Wavelength Zones are not "
        "supported",
        "eu-west-1a",
        "write a zone like {example}",
    ),
]
VpcId = Annotated[str, _resource_id("vpc", "a VPC")]
SubnetId = Annotated[str, _resource_id("subnet", "a subnet")]
ImageId = Annotated[str, _resource_id("ami", "a machine image")]
InstanceId = Annotated[str, _resource_id("i", "an instance")]
PrefixListId = Annotated[str, _resource_id("pl", "a prefix list")]
EndpointService = Annotated[
    str,
    Form(
        r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?",
        "is not the name of an AWS service with interface endpoints",
        "a name is the last part of com.amazonaws.REGION.NAME (AWS, AWS services that integrate "
        "with AWS PrivateLink)",
        "kms",
        "write a name like {example}",
    ),
]
InstanceType = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]*\.[a-z0-9-]+",
        "is not an instance type",
        "a type is a family and a size, joined by a dot",
        "m7i.xlarge",
        "write a type like {example}",
    ),
]
HostedZoneId = Annotated[
    str,
    Form(
        r"Z[0-9A-Z]{1,31}",
        "is not the id of a hosted zone",
        "a Route 53 id is Z followed by capital letters and digits",
        "Z0123456789ABCDEFGHIJ",
        "write the id alone, without /hostedzone/, like {example}",
    ),
]
SwitchNamespace = Annotated[
    str,
    Form(
        r"(?!AWS/)[0-9A-Za-z._#/-]{1,255}",
        "is not a namespace for a custom metric",
        "a namespace has up to 255 letters, digits and . - _ / #, and AWS/ is reserved (AWS, "
        "CloudWatch API, PutMetricData)",
        "Denodo/Failover/prod",
        "write a namespace like {example}",
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
        "write the output of: aws ec2 describe-images --image-ids ami-… --query "
        "Images[0].RootDeviceName",
    ),
]
KeyPairName = Annotated[
    str,
    Form(
        r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?",
        "is not the name of a key pair",
        "a name has up to 255 printable ASCII characters",
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
TopicArn = Annotated[
    str,
    _arn(
        "sns",
        r"[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        "an SNS topic",
        "arn:aws:sns:eu-west-1:111122223333:denodo-urgent",
    ),
]
SecretVersion = Annotated[
    str,
    Form(
        r"[A-Za-z0-9-]{32,64}",
        "is not the id of a secret's version",
        "the id must have 32 to 64 letters, digits and hyphens",
        "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1",
        "write the VersionId that Secrets Manager shows",
    ),
]
ObjectUri = Annotated[
    str,
    Form(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[!-#%-)+->@-~]{1,1024}",
        "is not the address of an object in S3",
        "nodes download the object by bucket and key; the characters $ ? * are not allowed, "
        "because in an IAM policy these characters would allow nodes to read other objects",
        "s3://denodo-metadata/export.vql",
        "write an address like {example}",
    ),
]


DatabaseClass = Annotated[
    str,
    Form(
        r"db\.[a-z][a-z0-9-]*\.[a-z0-9-]+",
        "is not a DB instance class",
        "an RDS instance class is db, a family and a size, joined by dots",
        "db.t4g.medium",
        "write a class like {example}",
    ),
]
DatabaseVersion = Annotated[
    str,
    Form(
        r"1[5-8](\.[0-9]{1,2})?",
        "is not a supported version of PostgreSQL",
        "versions 15 to 18 are supported; before version 15, every role may create tables in a "
        "new database (PostgreSQL 15 release notes)",
        "16",
        'write a version in quotes, like "{example}" or "16.4"',
    ),
]
DatabasePrefix = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9_]{0,30}",
        "is not a prefix for names in PostgreSQL",
        "a prefix is a lower-case letter, followed by at most 30 of a-z, 0-9 and _",
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
        "a window is the day and time of its start and end, in UTC (AWS, Amazon RDS API, "
        "CreateDBInstance)",
        "sun:03:00-sun:04:00",
        "write a window like {example}",
    ),
]
DatabaseWindow = Annotated[
    str,
    Form(
        rf"{_CLOCK}-{_CLOCK}",
        "is not a backup window",
        "a window is the times of its start and end, in UTC (AWS, Amazon RDS API, "
        "CreateDBInstance)",
        "01:00-02:00",
        "write a window like {example}",
    ),
]


def is_instance_type(text: str) -> bool:
    """Return whether a text has the form of an instance type."""
    try:
        TypeAdapter(InstanceType).validate_python(text)
    except ValidationError:
        return False
    return True
