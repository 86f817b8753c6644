"""What operators may do on a cluster's HAProxies: one document, with a list of allowed actions."""

from collections.abc import Sequence

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment.facts.limits import COMMAND_TIMEOUT_S
from stacks.nodes.first_boot import HAPROXY_PROGRAM_FOLDER

ACTIONS = ("apply", "reload", "drain", "enable", "save", "status", "verify")
"""What the document runs, each a command of HAProxy's program (docs/haproxy-aws.md)."""

ROTATION = ("drain", "enable", "status")
"""What somebody needs who takes nodes out and brings them back."""

_NODE = r"^(-|[A-Za-z0-9][A-Za-z0-9.-]{0,31})$"
"""A node's name, or none: nothing that a shell reads."""

_HERE = f"cd {HAPROXY_PROGRAM_FOLDER}/current"
_RUN = "python3 -m haproxy"


class HaproxyDocument(Construct):
    """A Systems Manager document that runs HAProxy's program, and nothing else.

    With fewer actions it is for those who may do less. `apply` takes the program that the parameter
    names first. L1, as there is no L2.
    Whoever may send it can do what its actions do, and not run commands of their own as they
    could with AWS-RunShellScript.

    Attributes:
        name: the document's name.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        parameter: str,
        region: str,
        actions: Sequence[str] = ACTIONS,
    ) -> None:
        """Make the document.

        Args:
            scope: parent.
            id_: id.
            parameter: name of the parameter with what HAProxy shall be.
            region: its region.
            actions: those of `ACTIONS` that it runs. IAM knows no parameters of documents (AWS,
                Service Authorization Reference, Systems Manager), so who may do less has another.
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
                "description": "Runs the program of a HAProxy in front of Denodo",
                "parameters": {
                    "Action": _one_of("what to do", *actions),
                    "Node": {
                        "type": "String",
                        "description": "the node to drain or to enable",
                        "default": "-",
                        "allowedPattern": _NODE,
                    },
                    "Wait": _one_of(
                        "whether a drain waits for sessions", "yes", "no", default="yes"
                    ),
                    "Force": _one_of(
                        "whether to drain also if nobody else serves", "no", "yes", default="no"
                    ),
                    "Seconds": {
                        "type": "String",
                        "description": "how long a drain or an enable waits",
                        "default": "1800",
                        "allowedPattern": "^[1-9][0-9]{0,4}$",
                    },
                },
                "mainSteps": [
                    {
                        "action": "aws:runShellScript",
                        "name": "run",
                        "precondition": {"StringEquals": ["platformType", "Linux"]},
                        "inputs": {
                            "timeoutSeconds": str(COMMAND_TIMEOUT_S),
                            "runCommand": _script(
                                f"--parameter '{parameter}' --region '{region}'", actions
                            ),
                        },
                    }
                ],
            },
        )
        self.name = document.ref


def _one_of(description: str, *values: str, default: str | None = None) -> dict[str, object]:
    """A parameter with a list of values."""
    told: dict[str, object] = {
        "type": "String",
        "description": description,
        "allowedValues": [*values],
    }
    return told if default is None else {**told, "default": default}


def _script(where: str, actions: Sequence[str]) -> list[str]:
    node = "'{{ Node }}' --timeout '{{ Seconds }}'"
    cases = {
        "apply": f"{_RUN} take {where}; {_HERE}; exec {_RUN} apply {where}",
        "drain": f"exec {_RUN} drain {node} $more",
        "enable": f"exec {_RUN} enable {node}",
        "status|verify": f"exec {_RUN} '{{{{ Action }}}}' --format json",
        "reload|save": f"exec {_RUN} '{{{{ Action }}}}'",
    }
    return [
        "#!/bin/sh",
        "set -eu",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "export PATH",
        f"{_HERE} || {{ echo 'this host has no program (docs/haproxy-aws.md)' >&2; exit 4; }}",
        "more=",
        "case '{{ Wait }}' in no) more=--no-wait;; esac",
        "case '{{ Force }}' in yes) more=\"$more --force\";; esac",
        "case '{{ Action }}' in",
        *(
            f"{case}) {run};;"
            for case, run in cases.items()
            if not set(case.split("|")).isdisjoint(actions)
        ),
        "esac",
    ]
