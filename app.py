"""Compose the stacks of one environment from its configuration file."""

import sys
from pathlib import Path

from aws_cdk import App

from config.choose import chosen, find
from config.load import load
from config.problem import ConfigError
from stacks.environment import compose

ROOT = Path(__file__).parent


def main() -> None:
    """Read the configuration that `-c config=` names, and synthesise its stacks."""
    # A trace would show the insides of jsii, and none of our lines.
    app = App(stack_traces=False)
    try:
        loaded = load(find(chosen(app.node.get_all_context()), ROOT))
    except ConfigError as error:
        sys.exit(str(error))
    compose(app, loaded=loaded, program=str(ROOT / "node"), proxy_program=str(ROOT / "ops/haproxy"))
    app.synth()


if __name__ == "__main__":
    main()
