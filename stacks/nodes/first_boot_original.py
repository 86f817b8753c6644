"""First version of a node's user data, for nodes that were created with this version.

A node whose pin has no `first_boot` keeps this script byte for byte, because a changed script
would restart the node and would not be run (decision 48). This script never changes: a test
checks its SHA-256.
"""

_SCRIPT = r"""#!/bin/sh
# First boot of a Denodo node. What the node shall be stands in its parameter: this fetches the
# parameter, and the program that the parameter names, and leaves the rest to the program.
set -u
parameter='@PARAMETER@'
region='@REGION@'
folder=/opt/denodo-node
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH AWS_DEFAULT_REGION="$region"
umask 022

state=
fail() {
    echo "denodo-node: $1" >&2
    if [ -n "$state" ]; then
        # CloudFormation shows the id of a signal in the events of the stack.
        reason=$(printf %s "$1" | tr -s '[:space:]' ' ' | cut -c1-64)
        aws cloudformation signal-resource --stack-name "$(of signal stack)" \
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
        sleep 15
    done
    return 1
}

for command in python3 aws systemctl; do
    command -v "$command" >/dev/null || fail "the image lacks $command (see docs/node.md)"
done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    fail "the image lacks Python 3.9 or later as python3 (see docs/node.md)"

get() {
    state=$(aws ssm get-parameter --name "$parameter" --query Parameter.Value --output text)
}
tried get || fail "the parameter $parameter cannot be read"
program=$(of program) || fail "the parameter $parameter names no program"
release=$folder/releases/$(basename "$program" .zip)
unpacked=$folder/unpacking.$$
mkdir -p "$folder/releases" "$unpacked" || fail "$folder cannot be made"
tried aws s3 cp --only-show-errors "$program" "$unpacked/node.zip" ||
    fail "the program $program cannot be fetched"
python3 -m zipfile -e "$unpacked/node.zip" "$unpacked/node" ||
    fail "the program $program cannot be unpacked"
rm "$unpacked/node.zip"
rm -rf "$release"
mv "$unpacked" "$release" || fail "$release cannot be made"
ln -sfn "$release" "$folder/current"
cd "$folder/current" || fail "$folder/current cannot be entered"
lacks=$(python3 -m node install --parameter "$parameter" --region "$region" 2>&1) ||
    fail "$lacks"
systemctl start --no-block denodo-node denodo-node-ready
"""


def original_script(*, parameter: str, region: str) -> str:
    """Return the first version of a node's first-boot script.

    Args:
        parameter: name of the parameter with the desired state.
        region: region of the parameter.
    """
    return _SCRIPT.replace("@PARAMETER@", parameter).replace("@REGION@", region)
