"""User data of nodes and HAProxy instances: the script that a new instance runs once.

A change of the script restarts or replaces the machines that were created with it. Therefore the
script has a version, which each node's pin stores (decision 48), and a test checks that the
script's SHA-256 is unchanged. The script contains the name of the SSM parameter with the desired
state, which includes the S3 URL of the program.
"""

from dataclasses import dataclass

from denodo_ha.environment.model.pins import NEWEST_FIRST_BOOT
from denodo_ha.environment.names import FIRST_BOOT_LINE
from stacks.nodes.first_boot_original import original_script

NODE_PROGRAM_FOLDER = "/opt/denodo-node"
"""Folder of the program on nodes, as in `hosts/denodo/program_update.py`."""
HAPROXY_PROGRAM_FOLDER = "/opt/denodo-haproxy"
"""Folder of the program on HAProxy instances, as in `hosts/haproxy/host.py`."""
INSTANCE_FILE = "/var/lib/cloud/data/instance-id"
"""File in which cloud-init, which runs the user data, writes the instance id."""
MOST_ARCHIVE_BYTES = 8 * 1024 * 1024
MOST_UNPACKED_BYTES = 32 * 1024 * 1024
"""Limits, in bytes, of the program's archive and of the unpacked archive
(`hosts/common/releases.py`)."""


@dataclass(frozen=True)
class MachineKind:
    """Kind of machine: the parts of the first-boot script that depend on the kind.

    Attributes:
        title: description of the machine in the script's first comment.
        name: prefix of messages.
        package: import name of the program.
        folder: folder of the program.
        document: page that lists the requirements for the image.
        failure: shell word for the unique id of a failure signal to CloudFormation.
        begin: shell lines that start the program.
    """

    title: str
    name: str
    package: str
    folder: str
    document: str
    failure: str
    begin: str


NODE = MachineKind(
    title="a Denodo node",
    name="denodo-node",
    package="node",
    folder=NODE_PROGRAM_FOLDER,
    document="docs/node.md",
    # The id of a failure signal contains the reason, because CloudFormation shows the id in the
    # events of the stack.
    failure=r"""$(printf %s "$instance: $1" | tr -s '[:space:]' ' ' | cut -c1-64)""",
    begin=r"""
output=$(python3 -m node install --parameter "$parameter" --region "$region" 2>&1) ||
    fail "$output"
systemctl start --no-block denodo-node denodo-node-ready
""",
)
HAPROXY = MachineKind(
    title="a HAProxy host",
    name="denodo-haproxy",
    package="haproxy",
    folder=HAPROXY_PROGRAM_FOLDER,
    document="docs/haproxy-aws.md",
    # A signal to an Auto Scaling group must have the id of the instance that sends the signal.
    failure="$instance",
    begin=r"""
output=$(python3 -m haproxy boot --parameter "$parameter" --region "$region" 2>&1) ||
    fail "$output"
echo "$output"
tried 20 signal SUCCESS "$instance" || echo "denodo-haproxy: CloudFormation was not signalled"
""",
)

_SCRIPT = r"""#!/bin/sh
@VERSION@
# First boot of @TITLE@. Fetches the desired state, and the program that the state names. The
# name of the program is the SHA-256 of its bytes, which is verified. The program does the rest.
set -u
parameter='@PARAMETER@'
region='@REGION@'
folder=@FOLDER@
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
export PATH AWS_DEFAULT_REGION="$region"
umask 022
instance=$(cat @INSTANCE@ 2>/dev/null) || instance=unknown

state=
fail() {
    echo "@NAME@: $1" >&2
    command -v logger >/dev/null && logger -t @NAME@ -p daemon.err -- "$1"
    [ -z "$state" ] || tried 20 signal FAILURE "@FAILURE@"
    exit 1
}
# of KEY...: the value that the state has under these keys.
of() {
    printf %s "$state" | python3 -I -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[key]
print(value)' "$@"
}
# call ARGUMENT...: a call of AWS. Only this script retries.
call() {
    AWS_MAX_ATTEMPTS=1 aws "$@" --cli-connect-timeout 10 --cli-read-timeout 60
}
# tried TIMES COMMAND...: retry a command after 2, 4, 8 to 60 s, until it sets `final`. A way out of
# the network may come after the instance: a route, an endpoint, a public address.
tried() {
    left=$1
    pause=@PAUSE@
    final=
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] && [ -z "$final" ] || return 1
        sleep "$pause"
        pause=$((pause * 2))
        [ "$pause" -le 60 ] || pause=60
    done
}
# signal STATUS ID: signal CloudFormation. An error of validation: no deploy waits for a signal.
signal() {
    stack=$(of signal stack) && resource=$(of signal resource) || { final=1; return 1; }
    answer=$(call cloudformation signal-resource --stack-name "$stack" \
        --logical-resource-id "$resource" --unique-id "$2" --status "$1" 2>&1) && return 0
    echo "@NAME@: $answer" >&2
    case $answer in *ValidationError*) final=1 ;; esac
    return 1
}

for command in python3 aws systemctl; do
    command -v "$command" >/dev/null || fail "the image lacks $command (see @DOCUMENT@)"
done
python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    fail "the image lacks Python 3.9 or later as python3 (see @DOCUMENT@)"

get() {
    state=$(call ssm get-parameter --name "$parameter" --query Parameter.Value --output text)
}
tried 14 get || fail "the parameter $parameter cannot be read"
program=$(of program) || fail "the parameter $parameter names no program"

mkdir -p "$folder/releases" || fail "$folder cannot be created"
python3 -I -c '
import os, pathlib, sys
folder = pathlib.Path(sys.argv[1]).resolve()
for path in (folder, *folder.parents):
    status = os.lstat(path)
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o1022 in (0o20, 0o2, 0o22):
        sys.exit(str(path))
' "$folder/releases" || fail "another user can write $folder or a folder above it"
unpacked=$folder/unpacking.$$
archive=$unpacked/@PACKAGE@.zip
rm -rf "$unpacked"
mkdir "$unpacked" || fail "$unpacked cannot be created"
object=${program#s3://}
fetch() {
    call s3api get-object --bucket "${object%%/*}" --key "${object#*/}" \
        --range bytes=0-@MOST_ARCHIVE@ "$archive" >/dev/null
}
tried 14 fetch || fail "the program $program cannot be fetched"
name=$(basename "$program" .zip)
python3 -I -c '
import hashlib, pathlib, stat, sys, zipfile
archive, name, folder = sys.argv[1:]
digest = hashlib.sha256(pathlib.Path(archive).read_bytes()).hexdigest()
if digest != name:
    sys.exit("its SHA-256 is " + digest)
with zipfile.ZipFile(archive) as members:
    content = members.infolist()
    if len(content) > 1000 or sum(member.file_size for member in content) > @MOST_UNPACKED@:
        sys.exit("it is too large")
    for member in content:
        path = pathlib.PurePosixPath(member.filename)
        if (stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR)
                or path.is_absolute() or ".." in path.parts or "\\" in member.filename):
            sys.exit("it has a member outside its folder: " + ascii(member.filename))
    members.extractall(folder)
' "$archive" "$name" "$unpacked/@PACKAGE@" ||
    { rm -rf "$unpacked"; fail "the program is not what its name says: $program"; }
rm "$archive"
release=$folder/releases/$name
rm -rf "$release"
sync
mv "$unpacked" "$release" || fail "$release cannot be created"
ln -sfn "$release" "$folder/current"
cd "$folder/current" || fail "$folder/current cannot be entered"
@BEGIN@"""


def node_script(*, parameter: str, region: str, version: int) -> str:
    """Return the first-boot script of a node.

    Args:
        parameter: name of the parameter with the desired state.
        region: region of the parameter.
        version: version of the script; for an existing node, the version of its pin.
    """
    if version == 1:
        return original_script(parameter=parameter, region=region)
    return first_boot_script(parameter=parameter, region=region)


def first_boot_script(
    *,
    parameter: str,
    region: str,
    kind: MachineKind = NODE,
    folder: str = "",
    pause: str = "2",
    instance: str = INSTANCE_FILE,
) -> str:
    """Return the first-boot script of a new machine.

    Only tests set `folder` (of the program), `pause` (seconds before a failed call of AWS is tried
    again) and `instance` (the file with the instance id).
    """
    text = _SCRIPT
    for name, value in (
        ("FAILURE", kind.failure),
        ("BEGIN", kind.begin.removeprefix("\n")),
        ("VERSION", FIRST_BOOT_LINE.format(NEWEST_FIRST_BOOT)),
        ("TITLE", kind.title),
        ("NAME", kind.name),
        ("DOCUMENT", kind.document),
        ("PACKAGE", kind.package),
        ("PARAMETER", parameter),
        ("REGION", region),
        ("FOLDER", folder or kind.folder),
        ("PAUSE", pause),
        ("INSTANCE", instance),
        # The script downloads at most one byte more than an archive may have. The script refuses a
        # longer archive, because the hash of the downloaded bytes does not match.
        ("MOST_ARCHIVE", str(MOST_ARCHIVE_BYTES)),
        ("MOST_UNPACKED", str(MOST_UNPACKED_BYTES)),
    ):
        text = text.replace(f"@{name}@", value)
    return text
