"""Zonal shifts of a cluster's load balancer, by Amazon Application Recovery Controller."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import named_effect, translated_errors
from denodo_ha.cli.errors import Refused, UsageError
from denodo_ha.deployed import instances, target_health
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.history import recording
from denodo_ha.environment.full_command import full_command

_ENABLED: Final = {"Key": "zonal_shift.config.enabled", "Value": "true"}
LONGEST_HOURS: Final = 72
"""Longest duration of a zonal shift (AWS, ARC API, StartZonalShift); an active shift can be
extended."""


@dataclass(frozen=True)
class Shift:
    """An active zonal shift.

    Attributes:
        id: its id.
        zone: the zone that gets no traffic.
        until: time at which the shift ends.
        comment: the operator's reason for the shift.
    """

    id: str
    zone: str
    until: str
    comment: str


class ZonalShifts:
    """The zonal shifts of one cluster's load balancer."""

    def __init__(self, aws: Aws, cluster: Cluster) -> None:
        """Find the cluster's load balancer.

        Raises:
            UsageError: The cluster has no load balancer.
        """
        if cluster.balancer is None:
            message = f"{cluster.name} has no load balancer, so there is no traffic to shift"
            raise UsageError(message)
        self._aws, self._cluster = aws, cluster
        self._region, self._arn = cluster.location.region, cluster.balancer.arn

    def active(self) -> list[Shift]:
        """Return the active shifts.

        Raises:
            AwsError: AWS did not answer, or denied a call.
        """
        zones = {id_: name for name, id_ in self._zone_ids().items()}
        with translated_errors():
            return [_shift(item, zones) for item in self._active_items()]

    def _active_items(self) -> Iterator[Mapping[str, Any]]:
        """Yield the active shifts of all pages; a page may be empty."""
        asked: dict[str, str] = {"resourceIdentifier": self._arn, "status": "ACTIVE"}
        while True:
            answer = self._client().list_zonal_shifts(**asked)
            yield from answer["items"]
            if not answer.get("nextToken"):
                return
            asked["nextToken"] = answer["nextToken"]

    def require_possible(self, zone: str, *, force: bool) -> str:
        """Check that traffic may be shifted away from a zone, and return the zone's id.

        Raises:
            UsageError: The load balancer is not in the zone.
            Refused: Zonal shift is not enabled, another zone is shifted, or no healthy node would
                be left.
            AwsError: AWS did not answer, or denied a call.
        """
        ids = self._zone_ids()
        if zone not in ids:
            message = f"{self._cluster.name} is not in {zone}; its zones are {', '.join(ids)}"
            raise UsageError(message)
        self._require_enabled()
        for shift in self.active():
            if shift.zone != zone:
                back = full_command("shift", "--back", cluster=self._cluster.name)
                message = (
                    f"{shift.zone} is shifted until {shift.until} ({shift.comment}); AWS shifts "
                    f"one zone at a time. First bring {shift.zone} back with `{back}`. Nothing was "
                    "changed"
                )
                raise Refused(message)
        if not force:
            self._require_healthy_elsewhere(zone)
        return ids[zone]

    def start(self, zone: str, *, hours: int, comment: str, force: bool) -> str:
        """Shift traffic away from a zone; return the time at which the shift ends.

        Raises:
            UsageError: The load balancer is not in the zone.
            Refused: See `require_possible`.
            AwsError: AWS did not answer, or denied a call.
        """
        zone_id = self.require_possible(zone, force=force)
        duration = {"expiresIn": f"{hours}h", "comment": comment}
        client, active = self._client(), self.active()
        before = _shifted(active[0]) if active else "not shifted"
        recording.note(self._cluster.name, zone, before=before)
        effect = f"the shift of {zone} may be active: {self._look}"
        with named_effect(effect), translated_errors():
            if active:
                answer = client.update_zonal_shift(zonalShiftId=active[0].id, **duration)
            else:
                answer = client.start_zonal_shift(
                    resourceIdentifier=self._arn, awayFrom=zone_id, **duration
                )
            until = str(answer["expiryTime"])
        recording.note(self._cluster.name, zone, after=f"shifted until {until} ({comment})")
        return until

    def cancel(self) -> list[Shift]:
        """Bring all zones back; return the shifts that were cancelled.

        Raises:
            AwsError: AWS did not answer, or denied a call.
        """
        shifts = self.active()
        for shift in shifts:
            recording.note(self._cluster.name, shift.zone, before=_shifted(shift))
            effect = f"{shift.zone} may be back: {self._look}"
            with named_effect(effect), translated_errors():
                self._client().cancel_zonal_shift(zonalShiftId=shift.id)
            recording.note(self._cluster.name, shift.zone, after="not shifted")
        return shifts

    @property
    def _look(self) -> str:
        """Return the part of a message with the command that shows the active zonal shift."""
        shift = full_command("shift", cluster=self._cluster.name)
        return f"`{shift}` shows the active shift"

    def _client(self) -> Any:
        return self._aws.client("arc-zonal-shift", self._region)

    def _zone_ids(self) -> Mapping[str, str]:
        """Return the ids of the load balancer's zones by name; a zonal shift names a zone by id."""
        with translated_errors():
            (balancer,) = self._aws.client("elbv2", self._region).describe_load_balancers(
                LoadBalancerArns=[self._arn]
            )["LoadBalancers"]
            names = sorted(zone["ZoneName"] for zone in balancer["AvailabilityZones"])
            answer = self._aws.client("ec2", self._region).describe_availability_zones(
                ZoneNames=names
            )
            return {zone["ZoneName"]: zone["ZoneId"] for zone in answer["AvailabilityZones"]}

    def _require_enabled(self) -> None:
        with translated_errors():
            attributes = self._aws.client("elbv2", self._region).describe_load_balancer_attributes(
                LoadBalancerArn=self._arn
            )["Attributes"]
        if _ENABLED not in attributes:
            message = (
                f"zonal shift is not enabled for {self._cluster.name}: write "
                "`balancer.zonal_shift: true` into the cluster's configuration, and deploy. "
                "Nothing was changed"
            )
            raise Refused(message)

    def _require_healthy_elsewhere(self, zone: str) -> None:
        """Check that each service has a healthy node outside a zone; else raise `Refused`."""
        groups = [group for group in self._cluster.groups if group.service is not None]
        health = target_health.read_groups_health(self._aws, groups)
        ids: Sequence[str] = [id_ for group in health for id_ in group.healthy]
        found = instances.read_instances(self._aws, self._region, ids)
        outside = {id_ for id_, instance in found.items() if instance.zone != zone}
        lacking = [group.group.key for group in health if not outside & {*group.healthy}]
        if lacking:
            forced = full_command("shift", zone, "--force", cluster=self._cluster.name)
            message = (
                f"no healthy node outside {zone} serves {', '.join(lacking)}, so clients would get "
                "no answer. Nothing was changed. Repair the other nodes first, or shift the zone "
                f"nevertheless: `{forced}`"
            )
            raise Refused(message)


def _shifted(shift: Shift) -> str:
    return f"shifted until {shift.until} ({shift.comment})"


def _shift(item: Mapping[str, Any], zones: Mapping[str, str]) -> Shift:
    zone = str(item["awayFrom"])
    return Shift(
        str(item["zonalShiftId"]), zones.get(zone, zone), str(item["expiryTime"]), item["comment"]
    )
