"""Stand-in for the AWS CLI: a program named `aws` that reads its answers from files."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARAMETER = "/denodo/denodo/active/node1"
_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"
LOGIN = f"{_ARN}login"
TLS = f"{_ARN}tls"
TOKEN = f"{_ARN}token"
SCHEDULER = f"{_ARN}scheduler"
DATA_CATALOG = f"{_ARN}data-catalog"
VDP = f"{_ARN}vdp"
BUCKET = "exports"
EXPORT = "s3://bucket/export.vql"

_SHELL = """\
#!/bin/sh
case "$1 $2" in
"s3api "*|"s3 "*|"logs "*) exec {python} -SE {other} "$@" ;;
esac
printf '%s\\0' "$@" '{end}' >> {calls}
. {answers}
printf '%s\\n' "An error occurred (NotFound): $1 $2" >&2
exit 1
"""
"""The shell program `aws`. A test runs it hundreds of times, and a shell starts ten times faster
than Python.

The program reads its answers from a file in the shell's language, which `Cloud` writes. Calls that
exchange files are answered by `_PYTHON`.
"""

_END = "\1"
"""End of a call's arguments in the file of calls; each argument ends with a zero byte."""

_PYTHON = """\
import json, pathlib, sys
answers = json.load(open({json!r}))
arguments = sys.argv[1:]
open({calls!r}, "a").write("".join(one + chr(0) for one in [*arguments, {end!r}]))
options = dict(one[2:].split("=", 1) for one in arguments if one.startswith("--") and "=" in one)
if arguments[0] == "s3api" and not any(key in " ".join(arguments) for key in answers):
    # A versioned bucket: one file for each version.
    place = pathlib.Path({objects!r}) / options["bucket"] / options["key"].replace("/", "%")
    place.mkdir(parents=True, exist_ok=True)
    versions = sorted(place.iterdir(), key=lambda one: int(one.name))
    if arguments[1] == "put-object":
        body = pathlib.Path(options["body"]).read_bytes()
        (place / str(len(versions) + 1)).write_bytes(body)
        print(json.dumps({{"VersionId": str(len(versions) + 1)}}))
    else:
        wanted = place / options.get("version-id", versions[-1].name if versions else "0")
        if not wanted.exists():
            sys.exit("An error occurred (NoSuchKey) when calling the GetObject operation")
        pathlib.Path(arguments[-1]).write_bytes(wanted.read_bytes())
    sys.exit()
if arguments[:2] == ["logs", "put-log-events"]:
    request = sys.stdin.read()
for key, answer in answers.items():
    if key in " ".join(arguments):
        break
else:
    sys.exit("An error occurred (NotFound): " + " ".join(arguments[:2]))
if isinstance(answer, dict) and "~" in answer:
    import time
    time.sleep(answer["~"])
if isinstance(answer, dict) and "!" in answer:
    sys.exit(answer["!"])
if arguments[:2] == ["logs", "put-log-events"]:
    stream = json.loads(request)["logStreamName"]
    streams = pathlib.Path({streams!r})
    if not (streams.exists() and stream in streams.read_text().splitlines()):
        sys.exit("An error occurred (ResourceNotFoundException) when calling PutLogEvents")
    open({events!r}, "a").write(request + chr(10))
if arguments[:2] == ["logs", "create-log-stream"]:
    open({streams!r}, "a").write(options["log-stream-name"] + chr(10))
if arguments[:2] == ["s3", "cp"]:
    open(arguments[-1], "w").write(answer)
else:
    print(json.dumps(answer))
"""


class Cloud:
    """Stand-in for AWS: the answers to CLI calls. A call without an answer fails."""

    def __init__(self, folder: Path) -> None:
        self._answers = folder / "answers.json"
        self._shell_answers = folder / "answers.sh"
        self._calls = folder / "aws-calls"
        self._events = folder / "log-events"
        self._set_answers({})
        other = folder / "aws-files.py"
        other.write_text(
            _PYTHON.format(
                json=str(self._answers),
                calls=str(self._calls),
                end=_END,
                objects=str(folder / "objects"),
                events=str(self._events),
                streams=str(folder / "log-streams"),
            )
        )
        paths = {"python": sys.executable, "other": other, "answers": self._shell_answers}
        quoted = {name: shlex.quote(str(path)) for name, path in paths.items()}
        program = folder / "aws"
        program.write_text(_SHELL.format(calls=shlex.quote(str(self._calls)), end=_END, **quoted))
        program.chmod(0o755)

    def _set_answers(self, answers: dict[str, Any]) -> None:
        """Write the answers for the shell and for Python; each file is replaced in one step."""
        cases = (_case(key, answer) for key, answer in answers.items())
        text = "\n".join(['case "$*" in', *cases, "esac\n"])
        for file, content in ((self._shell_answers, text), (self._answers, json.dumps(answers))):
            new = file.with_suffix(".new")
            new.write_text(content)
            new.replace(file)

    @property
    def files(self) -> set[Path]:
        """The files with the answers, which contain secrets."""
        return {self._answers, self._shell_answers}

    def answer(self, call: str, answer: Any) -> None:
        """Set the answer to all calls whose arguments contain a text."""
        self._set_answers({**json.loads(self._answers.read_text()), call: answer})

    def forget(self, call: str) -> None:
        """Remove the answer to calls whose arguments contain a text."""
        answers = json.loads(self._answers.read_text())
        del answers[call]
        self._set_answers(answers)

    def parameter(self, text: str) -> None:
        """Set the value of the SSM parameter that contains the desired state."""
        self.answer(f"--name={PARAMETER}", {"Parameter": {"Value": text}})

    def secret(self, arn: str, value: Any) -> None:
        """Set the value of a secret, a JSON object."""
        self.answer(f"--secret-id={arn}", {"SecretString": json.dumps(value)})

    def missing(self, arn: str) -> None:
        """Make calls for a secret fail as if the secret did not exist."""
        self.fault(f"--secret-id={arn}", "An error occurred (ResourceNotFoundException)")

    def fault(self, call: str, message: str) -> None:
        """Make all calls fail whose arguments contain a text."""
        self.answer(call, {"!": message})

    @contextmanager
    def unavailable(self) -> Iterator[None]:
        """Deny every call until the block ends."""
        answers = json.loads(self._answers.read_text())
        denied = "An error occurred (AccessDeniedException) when calling an operation"
        self._set_answers({"": {"!": denied}})
        yield
        self._set_answers(answers)

    def hang(self, call: str) -> None:
        """Make calls whose arguments contain a text hang beyond all time limits of the program."""
        self.answer(call, {"~": 600})

    def object(self, key: str) -> Path:
        """Return the folder that contains the versions of an S3 object."""
        return self._answers.parent / "objects" / BUCKET / key.replace("/", "%")

    @property
    def told(self) -> str:
        """Return all answers that are set, as JSON text."""
        return self._answers.read_text()

    def calls(self) -> list[list[str]]:
        """Return the arguments of each call so far."""
        return calls(self._calls.parent)

    def accept_logs(self) -> None:
        """Let log events be put into streams, which must be created first."""
        self.answer("logs put-log-events", {})
        self.answer("logs create-log-stream", {})

    def logged(self) -> dict[str, list[str]]:
        """Return the messages of the log events by stream."""
        lines = self._events.read_text().splitlines() if self._events.exists() else []
        streams: dict[str, list[str]] = {}
        for request in map(json.loads, lines):
            messages = [event["message"] for event in request["logEvents"]]
            streams.setdefault(request["logStreamName"], []).extend(messages)
        return streams

    def signals(self) -> list[tuple[str, str]]:
        """Return the signals sent to CloudFormation: status and unique id of each."""
        statuses = []
        for call in self.calls():
            if call[:2] == ["cloudformation", "signal-resource"]:
                given = dict(one[2:].split("=", 1) for one in call[2:])
                statuses.append((given["status"], given["unique-id"]))
        return statuses


def calls(folder: Path) -> list[list[str]]:
    """Return the arguments of each call so far on the machine in a folder."""
    file = folder / "aws-calls"
    *items, _ = file.read_text().split(f"{_END}\0") if file.exists() else [""]
    return [item.split("\0")[:-1] for item in items]


def _case(key: str, answer: Any) -> str:
    """Return the shell's commands for calls whose arguments contain a text."""
    if isinstance(answer, dict) and "~" in answer:
        # The stand-in waits before it answers, for tests of the time limits of calls.
        sleep = shlex.quote(f"import time; time.sleep({answer['~']})")
        commands = f"exec {shlex.quote(sys.executable)} -SEc {sleep}"
    elif isinstance(answer, dict) and "!" in answer:
        commands = f"printf '%s\\n' {shlex.quote(answer['!'])} >&2; exit 1"
    else:
        commands = f"printf '%s\\n' {shlex.quote(json.dumps(answer))}; exit"
    return f"*{shlex.quote(key)}*) {commands} ;;"
