"""Commands for metadata: export, digest test, import of an export, and confirmation.

`catalog-settings` prints the settings that Denodo's own form has written for a shared database.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from hosts.common import program
from hosts.denodo import log
from hosts.denodo.errors import OK
from hosts.denodo.metadata import learned_settings, metadata_confirmation, metadata_export
from hosts.denodo.record import Record

if TYPE_CHECKING:
    import argparse

    from hosts.denodo.system import System


def export(system: System, options: argparse.Namespace) -> int:
    """Export the metadata of Virtual DataPort on this node."""
    metadata_export.export(system, if_due=options.if_due)
    return OK


def digest_test(system: System, _options: argparse.Namespace) -> int:
    """Export the metadata twice; print the differences that change the site digest."""
    report = metadata_export.digest_test(system)
    program.write(sys.stdout, json.dumps(report, indent=1) + "\n")
    return OK


def import_export(system: System, options: argparse.Namespace) -> int:
    """Import a metadata export into this node, and confirm the node's metadata."""
    metadata_confirmation.import_export(system, options.uri, options.who)
    return OK


def confirm_metadata(system: System, options: argparse.Namespace) -> int:
    """Record that an operator confirms the metadata of this node."""
    Record(system).confirm_metadata(options.who, "confirmed by an operator")
    log.info(f"metadata confirmed by {options.who}")
    return OK


def catalog_settings(system: System, _options: argparse.Namespace) -> int:
    """Print the settings that Denodo's own form has written for a shared database."""
    program.write(sys.stdout, json.dumps(learned_settings.report(system), indent=1) + "\n")
    return OK
