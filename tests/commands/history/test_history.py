"""`denodo-ha history`, and the entry that each command that changes something leaves."""

import inspect
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Failed, Refused, UsageError
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.history_entry import parse_entry
from denodo_ha.deployed.history.recording import RECORD_S, detail, history_name, note, recorded
from denodo_ha.drain import command as drain_command
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.loader import load
from tests.commands.account.calls import Answer, Call, Fault, error
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import Route53
from tests.commands.conftest import Clouds, Run
from tests.support.assembly import ROOT
from tests.support.program_commands import command_functions

CHANGES_NOTHING = {
    *("status", "verify", "plan", "drill", "nodes", "history", "failover status", "check"),
    *("logs", "support", "picture", "review", "catalog digest-test"),
    *("catalog status", "catalog learn", "haproxy render", "haproxy status", "haproxy verify"),
}
CHANGES_THIS_MACHINE = {
    # The first row has commands that change files which users commit to git.
    *("pin", "init", "adopt", "cost"),
    *("haproxy drain", "haproxy enable", "haproxy reload", "haproxy save", "haproxy prepare"),
}
"""Commands that change files, or HAProxy on the machine on which they run, and nothing in AWS."""

LOST, KEPT = "eu-west-1", "eu-central-1"
_EXPORTS = (
    "    exports: {{login: 'arn:aws:secretsmanager:{region}:111122223333:secret:login-AbCdEf'}}\n"
)


def test_every_command_that_changes_something_is_recorded() -> None:
    names = {name: history_name(function) for name, function in command_functions()}
    assert {name for name, recorded_as in names.items() if not recorded_as} == {
        *CHANGES_NOTHING,
        *CHANGES_THIS_MACHINE,
    }
    assert {name: name for name, recorded_as in names.items() if recorded_as} == {
        name: recorded_as for name, recorded_as in names.items() if recorded_as
    }
    with_dry_run = {
        name
        for name, function in command_functions()
        if "dry_run" in inspect.signature(function).parameters
    }
    assert with_dry_run - {"pin"} <= names.keys() - CHANGES_NOTHING


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the active-passive example with exports."""
    file = tmp_path_factory.mktemp("history") / "active-passive.yaml"
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    for region in (LOST, KEPT):
        key = f"    region: {region}\n"
        assert key in text
        text = text.replace(key, key + _EXPORTS.format(region=region))
    file.write_text(text)
    return file


@pytest.fixture
def cloud(clouds: Clouds, config: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Deploy the active-passive example, and create the buckets of the configuration.

    The stacks of the example without exports are sufficient, since exports add only permissions.
    """
    cloud = clouds("active-passive")
    cloud.targets.hurry(30)
    monkeypatch.setattr(drain_command, "real_clock", lambda: cloud.clock)
    for name, region in buckets(config).items():
        cloud.client("s3", region).create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": region}
        )
    return cloud


def buckets(config: Path) -> dict[str, str]:
    environment = load(config).environment
    return {
        node_metadata.export_bucket_name(environment, name): cluster.region
        for name, cluster in environment.clusters.items()
    }


def entries(cloud: Cloud, config: Path, region: str) -> list[dict[str, Any]]:
    """Return the history entries in the bucket of a region."""
    (name,) = [name for name, its_region in buckets(config).items() if its_region == region]
    client = cloud.client("s3", region)
    listed = client.list_objects_v2(Bucket=name).get("Contents", [])
    assert all(each["Key"].startswith(".history/") for each in listed)
    return [
        json.loads(client.get_object(Bucket=name, Key=each["Key"])["Body"].read())
        for each in listed
    ]


def drain(denodo_ha: Run, config: Path, *more: str) -> Result:
    return denodo_ha("drain", "node1", "--cluster", "active", "-c", str(config), *more)


def test_the_other_cluster_s_bucket_gets_the_entry(
    cloud: Cloud, config: Path, denodo_ha: Run
) -> None:
    assert drain(denodo_ha, config, "--dry-run").exit_code == exit_codes.DONE
    assert entries(cloud, config, KEPT) == []
    done = drain(denodo_ha, config, "--why", "new disk")
    assert done.exit_code == exit_codes.DONE, done.output
    assert "not recorded" not in done.output
    (entry,) = entries(cloud, config, KEPT)
    assert entries(cloud, config, LOST) == []
    assert (entry["command"], entry["verdict"], entry["exit"]) == ("drain", "done", 0)
    assert entry["environment"] == "denodo70"
    assert "@" in entry["who"]
    assert entry["caller"].startswith("arn:aws:")
    (change,) = entry["changes"]
    assert (change["cluster"], change["subject"]) == ("active", "node1")
    assert change["before"] == "in service"
    assert "out of jdbc, odbc, web since" in change["after"]
    assert change["after"].endswith("new disk")
    # The second `drain` changes nothing, so it leaves no entry.
    assert drain(denodo_ha, config).exit_code == exit_codes.DONE
    assert len(entries(cloud, config, KEPT)) == 1
    done = denodo_ha("enable", "node1", "--cluster", "active", "-c", str(config))
    assert done.exit_code == exit_codes.DONE, done.output
    (entry,) = [one for one in entries(cloud, config, KEPT) if one["command"] == "enable"]
    (change,) = entry["changes"]
    assert change["before"].startswith("out since")
    assert change["after"] == "healthy in jdbc, odbc, web, node1"


@pytest.mark.parametrize(
    "how",
    ["lost", *(pytest.param(how, marks=pytest.mark.long) for how in ("denied", "gone"))],
)
def test_its_own_bucket_gets_the_entry_if_the_other_cannot(
    cloud: Cloud, config: Path, denodo_ha: Run, how: str
) -> None:
    match how:
        case "lost":
            cloud.faults.lose(KEPT)
        case "denied":
            cloud.faults.deny("PutObject", on=1)
        case "gone":
            (name,) = [name for name, region in buckets(config).items() if region == KEPT]
            cloud.client("s3", KEPT).delete_bucket(Bucket=name)
    done = drain(denodo_ha, config)
    assert done.exit_code == exit_codes.DONE, done.output
    assert [entry["command"] for entry in entries(cloud, config, LOST)] == ["drain"]


def test_without_a_bucket_the_command_says_so_and_is_done(
    clouds: Clouds, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = clouds("active-passive")
    cloud.targets.hurry(30)
    monkeypatch.setattr(drain_command, "real_clock", lambda: cloud.clock)
    done = denodo_ha("drain", "node1", "--cluster", "active", "-c", "active-passive")
    assert done.exit_code == exit_codes.DONE, done.output
    assert (
        "not recorded in the history: active, passive: no cluster has a bucket of metadata exports"
        in done.stderr
    )
    assert "s3" not in {call.service for call in cloud.calls.made}
    # Without the configuration file, the command does not know whether buckets of the history
    # exist.
    found = ("--environment", "denodo70", "--region", LOST, "--region", KEPT)
    done = denodo_ha("enable", "node1", "--cluster", "active", *found)
    assert done.exit_code == exit_codes.DONE, done.output
    assert "not recorded in the history: there is no bucket denodo70-passive-" in done.stderr
    puts = [call.region for call in cloud.calls.of("PutObject")]
    assert puts == [KEPT, LOST]
    done = denodo_ha("history", "-c", "active-passive")
    assert done.exit_code == exit_codes.DONE
    assert "there is no history: commands write" in done.stderr


def test_the_switch_comes_first_and_never_fails_for_the_history(
    cloud: Cloud, config: Path, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Route53(cloud)
    world.begin(monkeypatch)
    done = denodo_ha("failover", "to", "passive", "-c", str(config))
    assert done.exit_code == exit_codes.DONE, done.output
    changes = [(call.operation, call.region) for call in cloud.calls.changes]
    assert changes == [("PutMetricData", KEPT), ("PutObject", KEPT)]
    (entry,) = entries(cloud, config, KEPT)
    (change,) = entry["changes"]
    assert entry["command"] == "failover to"
    assert change["subject"] == "denodo.example.com"
    assert "DNS answers with active" in change["before"]
    assert change["after"].startswith("leads to passive")
    cloud.faults.deny("PutObject")
    done = denodo_ha("failover", "back", "-c", str(config))
    assert done.exit_code == exit_codes.DONE, done.output
    assert "not recorded in the history: denodo70-active-" in done.stderr
    assert world.thrown == [1.0, 0.0]


@pytest.mark.long
def test_a_switch_that_aws_refuses_leaves_no_entry(
    cloud: Cloud, config: Path, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.faults.deny("PutMetricData")
    Route53(cloud).begin(monkeypatch)
    done = denodo_ha("failover", "to", "passive", "-c", str(config))
    assert done.exit_code == exit_codes.AWS
    assert cloud.calls.of("PutObject") == []


@pytest.mark.long
def test_a_failure_is_recorded_with_its_message(cloud: Cloud, config: Path, denodo_ha: Run) -> None:
    cloud.faults.deny("DeregisterTargets")
    done = drain(denodo_ha, config)
    assert done.exit_code == exit_codes.AWS
    (entry,) = entries(cloud, config, KEPT)
    assert (entry["verdict"], entry["exit"]) == ("failed", exit_codes.AWS)
    assert "elasticloadbalancing:DeregisterTargets" in entry["message"]
    assert entry["changes"][0]["after"] == "as before"


def put_entry(cloud: Cloud, config: Path, region: str, at: datetime, id_: str) -> None:
    (name,) = [name for name, its_region in buckets(config).items() if its_region == region]
    entry = {
        "id": id_,
        "at": at.isoformat(),
        "seconds": 12.4,
        "who": "ann@desk",
        "command": "drain",
        "environment": "denodo70",
        "verdict": "done",
        "exit": 0,
        "changes": [
            {"cluster": "active", "subject": id_, "before": "in service", "after": "drained"}
        ],
    }
    cloud.client("s3", region).put_object(
        Bucket=name,
        Key=f".history/{at:%Y%m%dT%H%M%SZ}-{id_}.json",
        Body=json.dumps(entry).encode(),
    )


def test_history_merges_the_entries_of_both_sites(
    cloud: Cloud, config: Path, denodo_ha: Run
) -> None:
    now = datetime.now(UTC)
    put_entry(cloud, config, KEPT, now - timedelta(hours=3), "aaaaaaa1")
    put_entry(cloud, config, LOST, now - timedelta(hours=2), "aaaaaaa2")
    put_entry(cloud, config, KEPT, now - timedelta(hours=1), "aaaaaaa3")
    put_entry(cloud, config, KEPT, now - timedelta(days=40), "aaaaaaa0")
    # A copy of another bucket's entry appears once.
    put_entry(cloud, config, LOST, now - timedelta(hours=1), "aaaaaaa3")
    done = denodo_ha("history", "-c", str(config))
    assert done.exit_code == exit_codes.DONE, done.output
    rows = [line for line in done.stdout.splitlines() if "ann@desk" in line]
    assert [row.split("aaaaaaa")[1][0] for row in rows] == ["1", "2", "3"]
    assert "in service -> drained" in rows[0]
    shown = json.loads(denodo_ha("history", "-c", str(config), "--format", "json").stdout)
    assert [entry["id"][-1] for entry in shown["entries"]] == ["1", "2", "3"]
    longer = denodo_ha("history", "-c", str(config), "--days", "90", "--format", "json")
    assert [entry["id"][-1] for entry in json.loads(longer.stdout)["entries"]] == list("0123")
    cloud.faults.lose(LOST)
    done = denodo_ha("history", "-c", str(config))
    assert done.exit_code == exit_codes.AWS
    assert done.stdout.count("ann@desk") == 2
    assert "denodo-ha: the history in denodo70-active-" in done.stderr


@pytest.mark.long
def test_an_object_that_is_no_entry_is_named(cloud: Cloud, config: Path, denodo_ha: Run) -> None:
    name = next(name for name, region in buckets(config).items() if region == KEPT)
    key = f".history/{datetime.now(UTC):%Y%m%dT%H%M%SZ}-bbbbbbbb.json"
    cloud.client("s3", KEPT).put_object(Bucket=name, Key=key, Body=b'{"id": 1}')
    done = denodo_ha("history", "-c", str(config))
    assert done.exit_code == exit_codes.AWS
    assert f"s3://{name}/{key}: the object is not an entry of the history" in done.stderr


class TestRecording:
    """The decorator `@recorded`, with a bucket that accepts every entry."""

    @pytest.fixture(autouse=True)
    def written(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], float]]:
        written: list[tuple[dict[str, Any], float]] = []

        def write(_: object, entry: Any) -> str:
            assert parse_entry(entry.as_json()).as_json() == entry.as_json()
            written.append((json.loads(entry.as_json()), deadline.left(1000)))
            return ""

        monkeypatch.setattr(recording, "_write", write)
        return written

    def ended(self, raised: BaseException | None, after: str = "b") -> None:
        @recorded("sample")
        def sample() -> None:
            note("active", "node1", before="a")
            note("active", "node1", before="ignored", after=after)
            detail(within=True)
            if raised is not None:
                raise raised

        if raised is None:
            sample()
            return
        with pytest.raises(type(raised)):
            sample()

    @pytest.mark.parametrize(
        ("raised", "verdict", "code"),
        [
            (None, "done", 0),
            (typer.Exit(0), "done", 0),
            (typer.Exit(1), "failed", 1),
            (Failed("no"), "failed", 4),
            (KeyboardInterrupt(), "interrupted", 130),
            (ValueError("secret"), "failed", 4),
        ],
    )
    def test_verdicts(
        self,
        written: list[tuple[dict[str, Any], float]],
        raised: BaseException | None,
        verdict: str,
        code: int,
    ) -> None:
        self.ended(raised)
        ((entry, _),) = written
        assert (entry["verdict"], entry["exit"]) == (verdict, code)
        assert entry["changes"] == [
            {"cluster": "active", "subject": "node1", "before": "a", "after": "b"}
        ]
        assert entry["details"] == {"within": True}
        # Entries must not contain the text of an unexpected error, which may contain secrets.
        assert "secret" not in json.dumps(entry)

    @pytest.mark.parametrize("raised", [Refused("nothing was changed"), UsageError("no")])
    def test_what_was_refused_changed_nothing(
        self, written: list[tuple[dict[str, Any], float]], raised: BaseException
    ) -> None:
        self.ended(raised, after="")
        assert written == []
        self.ended(raised)
        assert len(written) == 1

    def test_only_what_is_left_of_the_time_limit(
        self, written: list[tuple[dict[str, Any], float]]
    ) -> None:
        for seconds in (2.0, 100.0):
            with deadline.limited(seconds):
                self.ended(None)
        assert 0 < written[0][1] <= 2
        assert written[0][1] < written[1][1] <= RECORD_S

    def test_a_failure_is_a_message(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def write(*_: object) -> str:
            raise OSError("no disk")

        monkeypatch.setattr(recording, "_write", write)
        self.ended(None)
        assert capsys.readouterr().err == (
            "the command is not recorded in the history: OSError: no disk\n"
        )


@pytest.mark.long
def test_a_region_that_hangs_leaves_time_for_the_other_bucket(cloud: Cloud, config: Path) -> None:
    """The write to each bucket except the last gets half of the command's remaining time."""
    left: list[float] = []

    def hang(_: Call) -> Answer:
        left.append(deadline.left(1000))
        return error("RequestTimeout", "no answer")

    cloud.faults.add(Fault(lambda call: call.operation == "PutObject", hang))
    environment = load(config).environment
    locations = [
        StackLocation(name, name, cluster.account, cluster.region)
        for name, cluster in environment.clusters.items()
    ]

    @recorded("sample")
    def sample() -> None:
        recording.located(Aws(), "denodo70", locations, environment)
        note("active", "node1", before="a", after="b")

    begin = time.monotonic()
    sample()
    used = time.monotonic() - begin
    assert left[0] <= RECORD_S / 2
    assert left[-1] > left[0] - used
