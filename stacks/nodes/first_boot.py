"""User data of nodes and HAProxy instances.

Its text must never change: a change restarts or replaces all machines at once. It contains the
name of an SSM parameter with the desired state, which includes the S3 URL of the program.
"""

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2

NODE_PROGRAM_FOLDER = "/opt/denodo-node"
"""Folder of the program on nodes, as in `hosts/denodo/installation.py`."""
HAPROXY_PROGRAM_FOLDER = "/opt/denodo-haproxy"
"""Folder of the program on HAProxy instances, as in `hosts/haproxy/host.py`."""
INSTANCE_FILE = "/var/lib/cloud/data/instance-id"
"""File in which cloud-init, which runs the user data, writes the instance id."""


@dataclass(frozen=True)
class MachineKind:
    """A kind of machine: the parts of the first-boot script that differ.

    Attributes:
        title: description of the machine in the script's first comment.
        word: the same in one word.
        name: prefix of messages.
        package: import name of the program.
        folder: folder of the program.
        document: page that lists the requirements for the image.
        signal: shell lines that set the unique id of the failure signal to CloudFormation.
        begin: shell lines that start the program.
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
    """Return the user data of a machine.

    Args:
        parameter: name of the parameter with the desired state.
        region: region of the parameter.
        kind: kind of machine.
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
    """Return the first-boot script.

    Only tests set `folder` (of the program), `pause` (seconds between attempts) and `instance`
    (the file with the instance id).
    """
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
