"""User data that never changes, as a change would restart or replace every machine at once.

It holds the name of a parameter: what the machine shall be stands there, the address of its
program too.
"""

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2

NODE_PROGRAM_FOLDER = "/opt/denodo-node"
"""Where the nodes have their program; `hosts/denodo/update.py` says the same."""
HAPROXY_PROGRAM_FOLDER = "/opt/denodo-haproxy"
"""Where HAProxy's hosts have theirs; `hosts/haproxy/program_update.py` says the same."""
INSTANCE_FILE = "/var/lib/cloud/data/instance-id"
"""Where cloud-init, which runs the user data, writes the instance's id."""


@dataclass(frozen=True)
class MachineKind:
    """What differs between kinds of machines.

    Attributes:
        title: what it is.
        word: the same in one word.
        name: what its messages begin with.
        package: the name that its program is imported by.
        folder: where its program goes.
        document: says what the image holds.
        signal: shell that makes the id under which CloudFormation hears of a failure.
        begin: shell that hands over to the program.
    """

    title: str
    word: str
    name: str
    package: str
    folder: str
    document: str
    signal: str
    begin: str


NODE = MachineKind(
    title="a Denodo node",
    word="node",
    name="denodo-node",
    package="node",
    folder=NODE_PROGRAM_FOLDER,
    document="docs/node.md",
    signal=r"""
        # CloudFormation shows the id of a signal in the events of the stack.
        reason=$(printf %s "$1" | tr -s '[:space:]' ' ' | cut -c1-64)
""",
    begin=r"""
lacks=$(python3 -m node install --parameter "$parameter" --region "$region" 2>&1) ||
    fail "$lacks"
systemctl start --no-block denodo-node denodo-node-ready
""",
)
HAPROXY = MachineKind(
    title="a HAProxy host",
    word="host",
    name="denodo-haproxy",
    package="haproxy",
    folder=HAPROXY_PROGRAM_FOLDER,
    document="docs/haproxy-aws.md",
    signal=r"""
        # The signals of an Auto Scaling group carry the ids of its instances.
        reason=$(cat @INSTANCE@)
""",
    begin=r"""
said=$(python3 -m haproxy boot --parameter "$parameter" --region "$region" 2>&1) ||
    fail "$said"
echo "$said"
aws cloudformation signal-resource --stack-name "$(of signal stack)" \
    --logical-resource-id "$(of signal resource)" --unique-id "$(cat @INSTANCE@)" \
    --status SUCCESS || echo "denodo-haproxy: no deploy waits for this host"
""",
)

_SCRIPT = r"""#!/bin/sh
# First boot of @TITLE@. What the @WORD@ shall be stands in its parameter: this fetches the
# parameter, and the program that the parameter names, and leaves the rest to the program.
set -u
parameter='@PARAMETER@'
region='@REGION@'
folder=@FOLDER@
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH AWS_DEFAULT_REGION="$region"
umask 022

state=
fail() {
    echo "@NAME@: $1" >&2
    if [ -n "$state" ]; then
@SIGNAL@        aws cloudformation signal-resource --stack-name "$(of signal stack)" \
            --logical-resource-id "$(of signal resource)" --unique-id "$reason" --status FAILURE
    fi
    exit 1
}
# of KEY...: what the state says under these keys.
of() {
    printf %s "$state" | python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[key]
print(value)' "$@"
}
# A way out of the network may come after the node: a route, an endpoint, a public address.
tried() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$@" && return 0
        sleep @PAUSE@
    done
    return 1
}

for command in python3 aws systemctl; do
    command -v "$command" >/dev/null || fail "the image lacks $command (see @DOCUMENT@)"
done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    fail "the image lacks Python 3.9 or later as python3 (see @DOCUMENT@)"

get() {
    state=$(aws ssm get-parameter --name "$parameter" --query Parameter.Value --output text)
}
tried get || fail "the parameter $parameter cannot be read"
program=$(of program) || fail "the parameter $parameter names no program"
release=$folder/releases/$(basename "$program" .zip)
unpacked=$folder/unpacking.$$
mkdir -p "$folder/releases" "$unpacked" || fail "$folder cannot be made"
tried aws s3 cp --only-show-errors "$program" "$unpacked/@PACKAGE@.zip" ||
    fail "the program $program cannot be fetched"
python3 -m zipfile -e "$unpacked/@PACKAGE@.zip" "$unpacked/@PACKAGE@" ||
    fail "the program $program cannot be unpacked"
rm "$unpacked/@PACKAGE@.zip"
rm -rf "$release"
mv "$unpacked" "$release" || fail "$release cannot be made"
ln -sfn "$release" "$folder/current"
cd "$folder/current" || fail "$folder/current cannot be entered"
@BEGIN@"""


def first_boot_user_data(*, parameter: str, region: str, kind: MachineKind = NODE) -> ec2.UserData:
    """The user data of a machine.

    Args:
        parameter: name of the parameter with its desired state.
        region: the parameter's region.
        kind: what it is.
    """
    return ec2.UserData.custom(first_boot_script(parameter=parameter, region=region, kind=kind))


def first_boot_script(
    *,
    parameter: str,
    region: str,
    kind: MachineKind = NODE,
    folder: str = "",
    pause: str = "15",
    instance: str = INSTANCE_FILE,
) -> str:
    """The script; folder, pause in seconds and the instance's file differ in tests only."""
    text = _SCRIPT
    for name, value in (
        ("SIGNAL", kind.signal.removeprefix("\n")),
        ("BEGIN", kind.begin.removeprefix("\n")),
        ("TITLE", kind.title),
        ("WORD", kind.word),
        ("NAME", kind.name),
        ("DOCUMENT", kind.document),
        ("PACKAGE", kind.package),
        ("PARAMETER", parameter),
        ("REGION", region),
        ("FOLDER", folder or kind.folder),
        ("PAUSE", pause),
        ("INSTANCE", instance),
    ):
        text = text.replace(f"@{name}@", value)
    return text
