"""Compose the stacks of one environment from its configuration file."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_cdk import App

from denodo_ha.environment.loading.configuration_file import (
    choice_notice,
    configuration_choice,
    find_configuration,
    has_own_values,
)
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from hosts import archive
from stacks.composition import compose
from stacks.file_asset import LocalFile

ROOT = Path(__file__).parent
NO_SERVER = "http://127.0.0.1:1"
"""AWS endpoint that `tools/cdk-offline` sets, so that no call reaches AWS: a closed local port."""


def main() -> None:
    """Load the configuration file that `-c config=` selects, and synthesise its stacks."""
    # A stack trace would contain only jsii frames and no lines of this project.
    app = App(stack_traces=False)
    context = app.node.get_all_context()
    try:
        file = find_configuration(configuration_choice(context), ROOT)
        # The local AWS accepts every account, zone and image of the examples, so the configuration
        # of a deployment to the local AWS may still contain these values.
        is_local = os.environ.get("AWS_ENDPOINT_URL", NO_SERVER) != NO_SERVER
        loaded = load(file, placeholders=has_own_values(file, ROOT) and not is_local)
    except ConfigError as error:
        sys.exit(str(error))
    sys.stderr.write(f"{choice_notice(context, file)}\n")
    with TemporaryDirectory() as folder:
        # The CDK copies each asset into the cloud assembly when it creates the asset's construct,
        # so the archives may be deleted after this block.
        node, haproxy = (
            LocalFile(str(file), archive.sha256(file))
            for file in (
                archive.write("denodo", Path(folder) / "node.zip"),
                archive.write("haproxy", Path(folder) / "haproxy.zip"),
            )
        )
        compose(app, loaded=loaded, node_program=node, haproxy_program=haproxy)
    app.synth()


if __name__ == "__main__":
    main()
