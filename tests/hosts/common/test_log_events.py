"""Log events: secrets are hidden, and batches keep the limits of CloudWatch Logs."""

import pytest

from hosts.common.log_events import (
    BATCH_BYTES,
    BATCH_EVENTS,
    BATCH_SPAN_MS,
    EVENT_OVERHEAD_BYTES,
    HIDDEN,
    MESSAGE_CHARACTERS,
    LogEvent,
    SecretFilter,
    batches,
)

VALUE = "Tr0ub4dor&3:x"


@pytest.mark.parametrize(
    "line",
    [
        f"password={VALUE}",
        f'{{"username": "a", "password": "{VALUE}"}}',
        f"CREATE USER a PASSWORD '{VALUE}' ENCRYPTED",
        f"ALTER DATASOURCE JDBC d USERNAME='a' USERPASSWORD '{VALUE}'",
        f"ALTER ROLE a IDENTIFIED BY '{VALUE}'",
        f"com.denodo.password=encrypted:{VALUE}",
        f"jdbc:postgresql://user:{VALUE}@db.example.com/x",
        f"Authorization: Bearer {'ab12' * 5}",
        f"AWS_SECRET_ACCESS_KEY={VALUE}",
        f"api-token: '{VALUE}'",
    ],
)
def test_forms_of_secrets_are_hidden(line: str) -> None:
    hidden = SecretFilter().hide(line)
    assert HIDDEN in hidden
    assert VALUE not in hidden
    assert "ab12ab12" not in hidden


@pytest.mark.parametrize(
    "form", [VALUE, "Tr0ub4dor%263%3Ax", r"Tr0ub4dor&3\:x", f"[{VALUE}]", f"a{VALUE}b"]
)
def test_known_secrets_are_hidden_wherever_they_are(form: str) -> None:
    hidden = SecretFilter([VALUE]).hide(f"it failed with {form} at last")
    assert hidden.startswith("it failed with ")
    assert hidden.endswith(" at last")
    assert "Tr0ub4dor" not in hidden


def test_each_line_of_a_known_secret_is_hidden() -> None:
    hide = SecretFilter(["-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----"]).hide
    assert hide("read MIIEvQIBADAN") == f"read {HIDDEN}"


def test_a_short_value_hides_no_harmless_words() -> None:
    assert SecretFilter(["vdp"]).hide("vdp is ready on port 9999") == "vdp is ready on port 9999"


def test_other_lines_are_unchanged() -> None:
    line = "2543546 [main] INFO 2021-09-08T09:15:39.147 com.denodo: listens on //host:9999/admin"
    assert SecretFilter([VALUE]).hide(line) == line


def test_an_event_of_a_line() -> None:
    event = SecretFilter().event
    assert event(1, " \n") is None
    assert event(1, "x\ud800y") == LogEvent(1, "x?y")
    long = event(1, "x" * 100_000)
    assert long is not None
    assert len(long.message) == MESSAGE_CHARACTERS
    assert long.message.endswith("x (cut)")


def test_batches_are_in_order_and_within_the_limits() -> None:
    events = [LogEvent(2, "b"), LogEvent(1, "a")]
    assert [*batches(events)] == [[LogEvent(1, "a"), LogEvent(2, "b")]]
    assert [len(batch) for batch in batches([LogEvent(1, "x")] * (BATCH_EVENTS + 1))] == [
        BATCH_EVENTS,
        1,
    ]
    half = BATCH_BYTES // 2 - EVENT_OVERHEAD_BYTES
    assert [len(batch) for batch in batches([LogEvent(1, "x" * half)] * 3)] == [2, 1]
    # A character of four bytes in UTF-8.
    assert [len(batch) for batch in batches([LogEvent(1, "\U0001f600" * (half // 4))] * 3)] == [
        2,
        1,
    ]
    late = [LogEvent(0, "a"), LogEvent(BATCH_SPAN_MS, "b")]
    assert [*batches(late)] == [late[:1], late[1:]]
    assert [*batches([])] == []
