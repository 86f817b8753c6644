"""Invalid settings of `living` (the running parts of the local AWS) are refused with a reason."""

import pytest

from tests.local_aws.cloud import Cloud
from tools.local_aws.errors import LocalAwsError


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("living", {"ballancers": True}, "not 'ballancers': True; the parts are nodes, balancers"),
        ("living", {"balancers": "yes"}, "write true or false"),
        ("clients", {"192.0.2.1": "10.0.0.1"}, "192.0.2.1 is not a loopback address"),
        ("clients", {"127.0.0.9": "ten"}, "'ten' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_settings_are_refused(
    cloud: Cloud, path: str, body: dict[str, object], reason: str
) -> None:
    with pytest.raises(LocalAwsError, match=reason):
        cloud.call(path, body, "PUT")


def test_an_unknown_count_of_flows_is_refused(cloud: Cloud) -> None:
    with pytest.raises(LocalAwsError, match="Flows"):
        cloud.call("flows", {"arn:aws:x:loadbalancer/net/a/1": {"Flows": 1}}, "POST")
