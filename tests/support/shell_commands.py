"""AWS CLI commands that plans print, run by boto3, which has the CLI's API model.

The CLI derives the names of its commands and options from this model. So an option that does not
exist is an error for boto3, too.
"""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from botocore import xform_name

from tests.local_aws.cloud import Cloud

AWS_CLI = Path(sys.executable).with_name("aws")
"""The AWS CLI of the lock file, for tests that run a command line or read a text of the CLI."""
_PAIR = re.compile(r"([A-Za-z]+)=(\[\{.*?\}\]|[^,]*)")


def run_aws_command(cloud: Cloud, line: str) -> Any:
    """Make the call of a line like `aws elbv2 add-tags --region R --resource-arns A B --tags …`.

    Args:
        cloud: the account.
        line: the line.
    """
    program, service, command, *words = shlex.split(line)
    assert program == "aws", line
    options = _options(words)
    region = options.pop("region", [cloud.access.region])[0]
    client = cloud.of(region=region).client(service)
    operation = client.meta.method_to_api_mapping[command.replace("-", "_")]
    members = client.meta.service_model.operation_model(operation).input_shape.members
    by_option = {xform_name(name, "-"): (name, shape) for name, shape in members.items()}
    arguments = {}
    for option, values in options.items():
        assert option in by_option, f"{line}: there is no option --{option}"
        name, shape = by_option[option]
        arguments[name] = _value(shape, values)
    return getattr(client, command.replace("-", "_"))(**arguments)


def _options(words: list[str]) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            options[word.removeprefix("--")] = []
        else:
            options[list(options)[-1]].append(word)
    return options


def _value(shape: Any, words: list[str]) -> Any:
    if words[0].startswith("[{"):  # a list with one structure, in the CLI's shorthand
        return [_value(shape.member, [words[0][2:-2]])]
    if words[0].startswith("{"):
        return json.loads(words[0])
    if shape.type_name == "list":
        return [_value(shape.member, [word]) for word in words]
    if shape.type_name == "structure":
        pairs = dict(_PAIR.findall(words[0]))
        assert pairs, words
        return {name: _value(shape.members[name], [value]) for name, value in pairs.items()}
    return int(words[0]) if shape.type_name in ("integer", "long") else words[0]
