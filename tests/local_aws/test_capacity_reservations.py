"""Instances and the places of open Capacity Reservations."""

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import IMAGE, resource


def test_a_full_reservation_refuses_no_instance_and_a_start_uses_a_free_place(cloud: Cloud) -> None:
    """A replacement launches the new node before it terminates the old node, as this test does."""
    cloud.give({"kind": "image", "id": IMAGE})
    ec2 = cloud.client("ec2")
    place = resource(
        "EC2::CapacityReservation",
        InstanceType="m5.xlarge",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone="eu-west-1a",
        InstanceCount=1,
        TagSpecifications=[
            {"ResourceType": "capacity-reservation", "Tags": [{"Key": "Name", "Value": "it"}]}
        ],
    )

    def used(instance: str) -> str | None:
        (description,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        value: str | None = description["Instances"][0].get("CapacityReservationId")
        return value

    def available() -> int:
        filters = [{"Name": "tag:Name", "Values": ["it"]}, {"Name": "state", "Values": ["active"]}]
        (answer,) = ec2.describe_capacity_reservations(Filters=filters)["CapacityReservations"]
        return int(answer["AvailableInstanceCount"])

    old = {**templates.network(), "Old": templates.node()}
    cloud.deploy(old)
    stack = cloud.deploy({**old, "Place": place})
    assert used(stack.ids["Old"]) == stack.ids["Place"]
    assert available() == 0

    stack = cloud.deploy({**old, "Place": place, "New": templates.node()})
    assert used(stack.ids["New"]) is None
    stack = cloud.deploy({**templates.network(), "Place": place, "New": templates.node()})
    new = stack.ids["New"]
    assert (used(new), available()) == (None, 1)

    ec2.stop_instances(InstanceIds=[new])
    ec2.start_instances(InstanceIds=[new])
    assert used(new) == stack.ids["Place"]
    assert available() == 0

    ec2.cancel_capacity_reservation(CapacityReservationId=stack.ids["Place"])
    assert used(new) is None
    created = ec2.create_capacity_reservation(
        InstanceType="m5.xlarge",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone="eu-west-1a",
        InstanceCount=2,
    )["CapacityReservation"]
    assert used(new) == created["CapacityReservationId"]
    assert created["AvailableInstanceCount"] == 1
