"""SSM document for nodes, with a list of allowed actions."""

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment.facts.limits import COMMAND_TIMEOUT_S
from stacks.nodes.first_boot import NODE_PROGRAM_FOLDER

_SERVICE_ACTIONS = ("stop", "start")
"""Actions that stop or start the systemd unit of Denodo's servers."""
ACTIONS = (
    *("apply", "check", "status", "drain", "undrain", "confirm-metadata", "accept-readiness"),
    *("catalog-settings", "license-manager", "hold", "release"),
    *("pause", "resume"),
    *_SERVICE_ACTIONS,
)
"""Actions of the document. Each is a command of the node program (docs/reference/node.md), except
`_SERVICE_ACTIONS`."""
EXPORT_ACTIONS = ("digest-test", "import-export")
"""Actions that the document has in addition if the cluster has metadata exports."""

_TEXT_PATTERN = "^[A-Za-z0-9 .,:;@/_+=-]{1,200}$"
"""Pattern of a reason or of an operator's name, without characters that a shell interprets."""

_PAUSE = "exec python3 -m node pause --until {{ Until }} --who '{{ Who }}' --why='{{ Why }}'"
_EXPORT_PATTERN = "^$|^s3://[a-z0-9.-]{3,63}/[A-Za-z0-9._-]{1,100}/export[.]json$"
"""Pattern of the S3 address of a node's export, or of an empty text."""

_UPDATE_PROGRAM = "python3 -m node update"
_ACT = "exec python3 -m node '{{ Action }}'"
_EXPORT_WHO = "DENODO_NODE_OPERATOR='{{ Who }}'; export DENODO_NODE_OPERATOR"
"""Shell commands that pass the parameter `Who` to the program. `roll` adds the request id to `Who`,
by which the program recognises a request that arrives twice (`hosts/denodo/commands.py`)."""
_CD = f"cd {NODE_PROGRAM_FOLDER}/current"


class NodeDocument(Construct):
    """Systems Manager document that runs only the node program.

    A principal that may send this document can run only the document's actions. With
    AWS-RunShellScript, the principal could run any command. The actions `apply` and `check` first
    install the program that is named in the desired state. The document is an L1 construct, because
    the CDK library has no L2 construct.

    Attributes:
        name: name of the document.
    """

    def __init__(self, scope: Construct, id_: str, *, exports: bool, pause_namespace: str) -> None:
        """Create the document.

        Args:
            scope: parent.
            id_: id.
            exports: whether the nodes export their metadata, which some actions need.
            pause_namespace: namespace of the metric that silences the cluster's alarms; empty
                without alarms.
        """
        super().__init__(scope, id_)
        document = ssm.CfnDocument(
            self,
            "Document",
            document_type="Command",
            target_type="/AWS::EC2::Instance",
            update_method="NewVersion",
            content={
                "schemaVersion": "2.2",
                "description": "Runs the program of a Denodo node",
                "parameters": {
                    "Action": {
                        "type": "String",
                        "description": "what to do",
                        "allowedValues": [*ACTIONS, *(EXPORT_ACTIONS if exports else ())],
                    },
                    "Who": {
                        "type": "String",
                        "description": "who does it",
                        "default": "operator",
                        "allowedPattern": _TEXT_PATTERN,
                    },
                    "Why": {
                        "type": "String",
                        "description": "why, for a drain",
                        "default": "maintenance",
                        "allowedPattern": _TEXT_PATTERN,
                    },
                    "Until": {
                        "type": "String",
                        "description": "end of a pause, in UTC",
                        "default": "none",
                        "allowedPattern": "^(none|[0-9T:+-]{19,32})$",
                    },
                    **(_EXPORT_PARAMETER if exports else {}),
                    "Timeout": {
                        "type": "String",
                        "description": "seconds until it is ended",
                        "default": str(COMMAND_TIMEOUT_S),
                        "allowedPattern": "^[1-9][0-9]{1,5}$",
                    },
                },
                "mainSteps": [
                    {
                        "action": "aws:runShellScript",
                        "name": "run",
                        "precondition": {"StringEquals": ["platformType", "Linux"]},
                        "inputs": {
                            "timeoutSeconds": "{{ Timeout }}",
                            "runCommand": _script(exports=exports, pause_namespace=pause_namespace),
                        },
                    }
                ],
            },
        )
        self.name = document.ref


_EXPORT_PARAMETER = {
    "Export": {
        "type": "String",
        "description": "export to import, for import-export",
        "default": "",
        "allowedPattern": _EXPORT_PATTERN,
    }
}
_EXPORT_SCRIPT = (
    f"digest-test) {_ACT};;",
    "import-export) exec python3 -m node import-export --uri '{{ Export }}' --who '{{ Who }}';;",
)


def _script(*, exports: bool, pause_namespace: str) -> list[str]:
    return [
        "#!/bin/sh",
        "set -eu",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "export PATH",
        f"{_CD} || {{ echo 'this node has no program (docs/node.md)' >&2; exit 4; }}",
        "set -a; . /etc/denodo-node/environment; set +a",
        "case '{{ Action }}' in",
        f"apply|check) {_EXPORT_WHO}; {_UPDATE_PROGRAM}; {_CD}; {_ACT};;",
        f"status|undrain|accept-readiness|catalog-settings|license-manager|resume) {_ACT};;",
        "confirm-metadata) exec python3 -m node confirm-metadata --who '{{ Who }}';;",
        # The unit, not the program, stops the servers: if the unit were active, the watchdog would
        # start the servers again.
        "stop) systemctl stop denodo-node; exec sync;;",
        "start) exec systemctl start --no-block denodo-node;;",
        "drain) exec python3 -m node drain --who '{{ Who }}' --why '{{ Why }}';;",
        *(_EXPORT_SCRIPT if exports else ()),
        # The prefix "drained: " keeps a reason that begins with "-" from being parsed as an option.
        "hold) exec python3 -m node hold --for-drain --who '{{ Who }}' 'drained: {{ Why }}';;",
        "release) exec python3 -m node release --for-drain;;",
        f"pause) {_PAUSE} --namespace '{pause_namespace}';;",
        "esac",
    ]
