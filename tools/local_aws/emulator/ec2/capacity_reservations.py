"""Capacity Reservations: places for instances of one zone, instance type, platform and tenancy.

A running instance with these attributes uses a free place of an open reservation when the instance
is launched or started, and when the reservation is created or gets more places. AWS does not
document whether an instance that runs already uses a place that becomes free later; in the local
AWS, such an instance does not use the place.
"""

import uuid
from collections.abc import Mapping
from html import escape
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import Record, private

KIND = "AWS::EC2::CapacityReservation"
LINUX = "Linux/UNIX"
PLATFORMS = (
    LINUX,
    "Red Hat Enterprise Linux",
    "SUSE Linux",
)
"""The platforms (operating systems) of the reservations that this project's stacks create."""
USED = "CapacityReservationId"

reservations = ministack.AccountRegionScopedDict()

_parameter = private(ministack.ec2, "_p")
_members = private(ministack.ec2, "_parse_member_list")
_filters = private(ministack.ec2, "_parse_filters")
_matches_tags = private(ministack.ec2, "_resource_matches_tag_filters")
_tag_set = private(ministack.ec2, "_tag_set_xml")
_xml = private(ministack.ec2, "_xml")
_error = private(ministack.ec2, "_error")
_start = private(ministack.ec2, "_start_instances")


def use_place(instance: Record) -> None:
    """Let an instance that begins to run use a free place of a matching reservation, if any."""
    instance.pop(USED, None)
    for reservation in reservations.values():
        if _matches(reservation, instance) and _free(reservation) > 0:
            instance[USED] = reservation["CapacityReservationId"]
            return


def _matches(reservation: Record, instance: Record) -> bool:
    image = ministack.images.get(instance["ImageId"]) or {}
    return bool(
        reservation["State"] == "active"
        and reservation["InstanceMatchCriteria"] == "open"
        and reservation["AvailabilityZone"] == instance["Placement"]["AvailabilityZone"]
        and reservation["InstanceType"] == instance["InstanceType"]
        and reservation["Tenancy"] == instance["Placement"]["Tenancy"]
        and reservation["InstancePlatform"] == image.get("PlatformDetails", LINUX)
    )


def _free(reservation: Record) -> int:
    id_ = reservation["CapacityReservationId"]
    used = sum(
        bool(instance.get(USED) == id_ and instance["State"]["Name"] == "running")
        for instance in ministack.instances.values()
    )
    total: int = reservation["TotalInstanceCount"]
    return total - used


def _fill(reservation: Record) -> None:
    """Let running instances without a place use the free places of a reservation."""
    for instance in ministack.instances.values():
        is_waiting = instance["State"]["Name"] == "running" and not instance.get(USED)
        if is_waiting and _matches(reservation, instance) and _free(reservation) > 0:
            instance[USED] = reservation["CapacityReservationId"]


def _count(value: Any) -> int:
    count = int(value or 0)
    if count < 1:
        message = f"Value ({value}) for parameter instanceCount is invalid. It must be 1 or more"
        raise AwsError("InvalidParameterValue", message)
    return count


def _reserve(properties: Properties) -> Record:
    platform = properties.get("InstancePlatform", "")
    if platform not in PLATFORMS:
        message = f"Value ({platform}) for parameter instancePlatform is invalid."
        raise AwsError("InvalidParameterValue", message)
    zone = str(properties.get("AvailabilityZone", ""))
    if not zone.startswith(ministack.region()):
        raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    id_ = f"cr-{uuid.uuid4().hex[:17]}"
    reservation = {
        "CapacityReservationId": id_,
        "InstanceType": properties["InstanceType"],
        "InstancePlatform": platform,
        "AvailabilityZone": zone,
        "Tenancy": properties.get("Tenancy", "default"),
        "TotalInstanceCount": _count(properties.get("InstanceCount")),
        "State": "active",
        "InstanceMatchCriteria": properties.get("InstanceMatchCriteria", "open"),
        "EndDateType": properties.get("EndDateType", "unlimited"),
        "CreateDate": private(ministack.ec2, "_now_ts")(),
    }
    reservations[id_] = reservation
    _fill(reservation)
    return reservation


def _existing(id_: str) -> Record:
    reservation: Record | None = reservations.get(id_)
    if reservation is None or reservation["State"] != "active":
        message = f"The capacity reservation '{id_}' was not found"
        raise AwsError("InvalidCapacityReservationId.NotFound", message)
    return reservation


def _cancel(id_: str) -> None:
    """Cancel a reservation; its instances continue to run without a place."""
    _existing(id_)["State"] = "cancelled"
    for instance in ministack.instances.values():
        if instance.get(USED) == id_:
            del instance[USED]


def _attributes(reservation: Record) -> Mapping[str, Any]:
    return {
        "Id": reservation["CapacityReservationId"],
        "AvailabilityZone": reservation["AvailabilityZone"],
        "InstanceType": reservation["InstanceType"],
        "Tenancy": reservation["Tenancy"],
        "TotalInstanceCount": str(reservation["TotalInstanceCount"]),
        "AvailableInstanceCount": str(max(_free(reservation), 0)),
    }


def _create(_logical_id: str, properties: Properties, _stack: str) -> Made:
    reservation = _reserve(properties)
    _tag(reservation["CapacityReservationId"], properties)
    return reservation["CapacityReservationId"], dict(_attributes(reservation))


def _tag(id_: str, properties: Properties) -> None:
    ministack.ec2_tags[id_] = [
        tag
        for item in properties.get("TagSpecifications") or []
        for tag in resource_types.tags(item)
    ]


def _update(id_: str, _old: Properties, new: Properties, _stack: str) -> Made:
    reservation = _existing(id_)
    reservation["TotalInstanceCount"] = _count(new.get("InstanceCount"))
    _fill(reservation)
    _tag(id_, new)
    return id_, dict(_attributes(reservation))


def _delete(id_: str, _properties: Properties) -> None:
    if (reservations.get(id_) or {}).get("State") == "active":
        _cancel(id_)


def _described(parameters: dict[str, list[str]]) -> Any:
    """Answer DescribeCapacityReservations."""
    ids, filters = _members(parameters, "CapacityReservationId"), _filters(parameters)
    missing = [id_ for id_ in ids if id_ not in reservations]
    if missing:
        message = f"The capacity reservation '{missing[0]}' was not found"
        return _error("InvalidCapacityReservationId.NotFound", message, 400)
    keys = {"state": "State", "instance-type": "InstanceType", "tenancy": "Tenancy"}
    keys |= {"availability-zone": "AvailabilityZone", "instance-platform": "InstancePlatform"}
    items = [
        _item(reservation)
        for id_, reservation in reservations.items()
        if (not ids or id_ in ids)
        and _matches_tags(id_, filters)
        and all(reservation[key] in filters[name] for name, key in keys.items() if name in filters)
    ]
    content = f"<capacityReservationSet>{''.join(items)}</capacityReservationSet>"
    return _xml(200, "DescribeCapacityReservationsResponse", content)


def _item(reservation: Record) -> str:
    id_ = reservation["CapacityReservationId"]
    arn = f"arn:aws:ec2:{ministack.region()}:{ministack.account()}:capacity-reservation/{id_}"
    values = {
        **{f"{key[0].lower()}{key[1:]}": value for key, value in reservation.items()},
        "capacityReservationArn": arn,
        "ownerId": ministack.account(),
        "availableInstanceCount": max(_free(reservation), 0),
        "ebsOptimized": "false",
        "ephemeralStorage": "false",
    }
    content = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in values.items())
    return f"<item>{content}{_tag_set(id_)}</item>"


def _created_by_call(parameters: dict[str, list[str]]) -> Any:
    """Answer CreateCapacityReservation."""
    names = [
        *("InstanceType", "InstancePlatform", "AvailabilityZone", "Tenancy", "InstanceCount"),
        *("InstanceMatchCriteria", "EndDateType"),
    ]
    given = {name: _parameter(parameters, name) for name in names}
    try:
        reservation = _reserve({name: value for name, value in given.items() if value})
    except AwsError as error:
        return _error(error.code, error.message, 400)
    content = f"<capacityReservation>{_item(reservation)[6:-7]}</capacityReservation>"
    return _xml(200, "CreateCapacityReservationResponse", content)


def _cancelled_by_call(parameters: dict[str, list[str]]) -> Any:
    """Answer CancelCapacityReservation."""
    try:
        _cancel(_parameter(parameters, "CapacityReservationId"))
    except AwsError as error:
        return _error(error.code, error.message, 400)
    return _xml(200, "CancelCapacityReservationResponse", "<return>true</return>")


def _started(parameters: dict[str, list[str]]) -> Any:
    """Answer StartInstances; each started instance uses a free place."""
    stopped = [
        id_
        for id_ in _members(parameters, "InstanceId")
        if (ministack.instances.get(id_) or {}).get("State", {}).get("Name") == "stopped"
    ]
    answer = _start(parameters)
    if answer[0] == 200:
        for id_ in stopped:
            use_place(ministack.instances[id_])
    return answer


def install() -> None:
    """Declare the resource type, and answer EC2's calls about Capacity Reservations."""
    resource_types.declare(KIND, create=_create, update=_update, delete=_delete)
    ministack.ec2_actions["DescribeCapacityReservations"] = _described
    ministack.ec2_actions["CreateCapacityReservation"] = _created_by_call
    ministack.ec2_actions["CancelCapacityReservation"] = _cancelled_by_call
    ministack.ec2_actions["StartInstances"] = _started
