"""Capacity shortage: EC2's reason why a deploy could not create a node's instance, and what to try.

The reason is read from the stack's events. If the events cannot be read, or contain another reason,
the returned text is empty, and the command shows only the error of the deploy.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment.model.pins import Pin

_INSTANCE: Final = "AWS::EC2::Instance"
_RESERVATION: Final = "AWS::EC2::CapacityReservation"
_STACK: Final = "AWS::CloudFormation::Stack"
_BEGIN: Final = "UPDATE_IN_PROGRESS"
_SHORTAGES: Final = (
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InstanceLimitExceeded",
    "VcpuLimitExceeded",
)
"""EC2's error codes for a lack of capacity (AWS, Error codes for the Amazon EC2 API)."""
_NO_CAPACITY: Final = re.compile(r"do not have sufficient \S+ capacity|not supported in your req")
"""Messages of EC2 about a lack of capacity that have no error code (AWS, Troubleshoot Amazon EC2
instance launch issues)."""
_OTHER_ZONES: Final = re.compile(r"or choosing ((?:[a-z0-9-]+(?:, )?)+)")
_QUOTA_CODES: Final = ("InstanceLimitExceeded", "VcpuLimitExceeded")


def capacity_shortage(aws: Aws, cluster: Cluster, node: str, pin: Pin, *, other_type: str) -> str:
    """Return why EC2 had no capacity for a node, and what to try; empty if EC2 had capacity.

    Args:
        aws: the credentials.
        cluster: the cluster after the deploy was rolled back.
        node: the node.
        pin: the pin that was deployed.
        other_type: text that says how an operator chooses another instance type.
    """
    failures = [failure for failure in _failures(aws, cluster) if _is_shortage(failure[1])]
    if not failures:
        return ""
    kind, reason = failures[-1]
    if kind == _RESERVATION:
        return (
            f"EC2 cannot reserve the places of clusters.{cluster.name}.capacity ({reason}). Choose "
            f"another instance type ({other_type}), write a smaller capacity.reserve or remove "
            "capacity.reserve, or raise the quota if the reason names a quota. Then run the "
            "command again"
        )
    if any(code in reason for code in _QUOTA_CODES):
        return (
            f"the account's EC2 quota does not allow another {pin.type} ({reason}). Raise the "
            f"quota in Service Quotas, or choose another type ({other_type}), and run the command "
            "again"
        )
    zones = _OTHER_ZONES.search(reason)
    other = f"one of {zones[1]}, which EC2 names" if zones else "another zone of the network"
    return (
        f"EC2 has no capacity for {pin.type} in the zone of {node} ({reason}). Choose another type "
        f"({other_type}) or set clusters.{cluster.name}.nodes.{node}.zone to {other}, and run the "
        "command again; or run the command again later, without a change"
    )


def _is_shortage(reason: str) -> bool:
    return any(code in reason for code in _SHORTAGES) or bool(_NO_CAPACITY.search(reason))


def _failures(aws: Aws, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Yield types and reasons of failed instances and reservations, the newest first.

    Only events of the last deploy are read.
    """
    client = aws.client("cloudformation", cluster.location.region)
    try:
        with translated_errors():
            pages = client.get_paginator("describe_stack_events").paginate(
                StackName=cluster.stack.arn
            )
            for page in pages:
                for event in page["StackEvents"]:
                    if _is_begin(event):
                        return
                    if _is_failed(event):
                        reason = " ".join(str(event.get("ResourceStatusReason", "")).split())
                        yield str(event["ResourceType"]), reason
    except AwsError:
        return


def _is_begin(event: Mapping[str, Any]) -> bool:
    """Return whether an event is the beginning of a deploy."""
    return (str(event["ResourceType"]), str(event["ResourceStatus"])) == (_STACK, _BEGIN)


def _is_failed(event: Mapping[str, Any]) -> bool:
    is_machine = event["ResourceType"] in (_INSTANCE, _RESERVATION)
    return is_machine and str(event["ResourceStatus"]).endswith("_FAILED")
