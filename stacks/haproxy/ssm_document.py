"""SSM documents for HAProxy instances. Each document has a list of allowed actions."""

from collections.abc import Sequence

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment.facts.limits import COMMAND_TIMEOUT_S
from stacks.nodes.first_boot import HAPROXY_PROGRAM_FOLDER

ACTIONS = ("apply", "reload", "drain", "enable", "save", "status", "verify")
"""Actions of the document. Each action is a command of the HAProxy program
(docs/how-to/haproxy-aws.md)."""

ROTATION_ACTIONS = ("drain", "enable", "status")
"""Actions of the document that can only drain nodes, enable nodes and show the status."""

_NODE_PATTERN = r"^(-|[A-Za-z0-9][A-Za-z0-9.-]{0,31})$"
"""Pattern of a node's name, or a hyphen for no node, without characters that a shell interprets."""

_CD = f"cd {HAPROXY_PROGRAM_FOLDER}/current"
_RUN = "python3 -m haproxy"


class HaproxyDocument(Construct):
    """Systems Manager document that runs only HAProxy's program.

    A principal that may send this document can run only the document's actions. With
    AWS-RunShellScript, the principal could run any command. The action `apply` first installs the
    program that is named in the parameter. The document is an L1 construct, because the CDK library
    has no L2 construct.

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
        """Create the document.

        Args:
            scope: parent.
            id_: id.
            parameter: name of the parameter with the desired state.
            region: region of the parameter.
            actions: the allowed actions, from `ACTIONS`. IAM has no condition on the parameters of
                a document (AWS, Service Authorization Reference, Systems Manager), so allowing
                fewer actions requires another document.
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
                    "Action": _choice("what to do", *actions),
                    "Node": {
                        "type": "String",
                        "description": "the node to drain or to enable",
                        "default": "-",
                        "allowedPattern": _NODE_PATTERN,
                    },
                    "Wait": _choice(
                        "whether a drain waits for sessions", "yes", "no", default="yes"
                    ),
                    "Force": _choice(
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


def _choice(description: str, *values: str, default: str | None = None) -> dict[str, object]:
    """Return a parameter of the document with a list of allowed values."""
    parameter: dict[str, object] = {
        "type": "String",
        "description": description,
        "allowedValues": [*values],
    }
    return parameter if default is None else {**parameter, "default": default}


def _script(location: str, actions: Sequence[str]) -> list[str]:
    """Return the lines of the document's shell script.

    Args:
        location: options that name the SSM parameter with the desired state, and the region.
        actions: the allowed actions.
    """
    node = "'{{ Node }}' --timeout '{{ Seconds }}'"
    cases = {
        "apply": f"{_RUN} take {location}; {_CD}; exec {_RUN} apply {location}",
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
        f"{_CD} || {{ echo 'this host has no program (docs/haproxy-aws.md)' >&2; exit 4; }}",
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
