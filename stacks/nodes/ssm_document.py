"""What operators may do on the nodes of a cluster: one document, with a list of allowed actions."""

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment.facts.limits import COMMAND_TIMEOUT_S
from stacks.nodes.first_boot import NODE_PROGRAM_FOLDER

ACTIONS = ("apply", "check", "status", "drain", "undrain", "confirm-metadata")
"""What the document runs, each a command of the node's program (docs/node.md)."""

_WORDS = "^[A-Za-z0-9 .,:;@/_+=-]{0,200}$"
"""What a reason or a name may hold: nothing that a shell reads."""

_UPDATE = "python3 -m node update"
_HERE = f"cd {NODE_PROGRAM_FOLDER}/current"


class NodeDocument(Construct):
    """A Systems Manager document that runs the node's program, and nothing else.

    `apply` and `check` take the program that the desired state names first. L1, as there is no L2.
    Whoever may send it can do what its actions do, and not run commands of their own as they
    could with AWS-RunShellScript.

    Attributes:
        name: the document's name.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
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
                        "allowedValues": [*ACTIONS],
                    },
                    "Who": {
                        "type": "String",
                        "description": "who does it",
                        "default": "operator",
                        "allowedPattern": _WORDS.replace("{0,", "{1,"),
                    },
                    "Why": {
                        "type": "String",
                        "description": "why, for a drain",
                        "default": "maintenance",
                        "allowedPattern": _WORDS.replace("{0,", "{1,"),
                    },
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
                            "runCommand": _script(),
                        },
                    }
                ],
            },
        )
        self.name = document.ref


def _script() -> list[str]:
    return [
        "#!/bin/sh",
        "set -eu",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "export PATH",
        f"{_HERE} || {{ echo 'this node has no program (docs/node.md)' >&2; exit 4; }}",
        "set -a; . /etc/denodo-node/environment; set +a",
        "case '{{ Action }}' in",
        f"apply|check) {_UPDATE}; {_HERE}; exec python3 -m node '{{{{ Action }}}}';;",
        "status|undrain) exec python3 -m node '{{ Action }}';;",
        "confirm-metadata) exec python3 -m node confirm-metadata --who '{{ Who }}';;",
        "drain) exec python3 -m node drain --who '{{ Who }}' --why '{{ Why }}';;",
        "esac",
    ]
