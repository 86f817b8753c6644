"""A Denodo installation whose scripts and servers are light stand-ins.

The folder `installations` has the files of real installations of 7.0 and 8.0, without comments: the
keys that the node program uses, in their original order and form. 9.0 has the files of 8.0.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

INSTALLATIONS = Path(__file__).parent / "installations"

VDP = "conf/vdp/VDBConfiguration.properties"
_FACTORY_PORT = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl.factoryPort"
WEB = "resources/apache-tomcat/conf/tomcat.properties"
LICENSE = "conf/SolutionManager.properties"
SCHEDULER = "conf/scheduler/ConfigurationParameters.properties"
DATA_CATALOG = "conf/data-catalog/DataCatalogBackend.properties"
SSO = "conf/SSOConfiguration.properties"
FILES = (VDP, WEB, LICENSE, SCHEDULER)
_EMBEDDED = "spring.datasource.url=jdbc\\:derby\\:data_catalog\n"
"""Content of the Data Catalog's configuration file: one key, which the node program replaces. The
project has no copy of the real file."""
_NO_SSO = "sso.enabled=false\n"
"""Content of the file of the Security Token. The project has no copy of the real file."""
_METADATA = "# REQUIRE PROPERTIES FILE\nCREATE DATABASE sales 'Sample of the local AWS';\n"
"""Metadata of a new installation, with one element: an export without elements counts as failed."""
WRITTEN_BY_FORM = {
    "JobReportRepositoryFactory/className": "com.example.PostgreSqlJobReportRepository",
    "GenericEntityIdentifierRetriever/query": "select lastval()",
}
"""Placeholders for the values that Denodo's form Database Settings writes into the Scheduler's file
for PostgreSQL."""
_HTTPS_PORT, _DEFAULT_HTTPS_PORT = "com.denodo.tomcat.https.port", 9443

SCRIPTS = (
    "vqlserver_startup.sh",
    "vqlserver_shutdown.sh",
    "regenerateFiles.sh",
    "ping.sh",
    "import.sh",
    "export.sh",
    "encrypt_password.sh",
    "webcontainer_shutdown.sh",
    "datacatalog_startup.sh",
    "scheduler_startup.sh",
    "scheduler_shutdown.sh",
    "scheduler_webadmin_startup.sh",
    "diagnosticmonitoringtool_startup.sh",
    "datacatalog_shutdown.sh",
    "scheduler_webadmin_shutdown.sh",
    "diagnosticmonitoringtool_shutdown.sh",
)
LATER_SCRIPTS = (
    "designstudio_startup.sh",
    "designstudio_shutdown.sh",
    "denodo_tls_configurator.sh",
    "regenerateMetadata.sh",
)
"""Scripts that only installations from 8.0 on have."""
_DRIVERS = (
    *(f"lib/extensions/jdbc-drivers/postgresql-{name}" for name in ("9", "10", "12")),
    *("lib/scheduler-extensions", "lib/data-catalog-extensions"),
)
"""Folders with PostgreSQL's driver: Denodo's own, and those of Scheduler and Data Catalog, into
which operators copy the driver for a shared database."""
_SCRIPT = """\
#!/bin/sh
exec "{python}" -BSE -c "import sys; sys.path[0] = '{folder}'; import stand_in; \
sys.exit(stand_in.main())" "{home}" {name} "$@"
"""


def family(version: str) -> str:
    """Return the version whose configuration files an installation gets: `7.0` or `8.0`."""
    return "7.0" if version.startswith("7.") else "8.0"


def copy_files(home: Path, version: str) -> None:
    """Copy the configuration files, and create empty files for drivers and Java.

    No stand-in runs this Java.
    """
    for file in FILES:
        target = home / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(INSTALLATIONS / family(version) / file, target)
    for folder in ("bin", "run", "behave", "logs"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "VERSION").write_text("7.0" if version.startswith("7.") else version)
    # The stand-ins behave as the newest Denodo update, whose ping.sh has the option -r.
    (home / "UPDATE").write_text("newer")
    for folder in _DRIVERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
        (home / folder / "postgresql-42.7.4.jar").touch()
    (home / "jre/bin").mkdir(parents=True, exist_ok=True)
    (home / "jre/bin/java").touch(mode=0o755)


def script_names(version: str) -> tuple[str, ...]:
    """Return the names of the scripts that a version of Denodo has."""
    return SCRIPTS if family(version) == "7.0" else (*SCRIPTS, *LATER_SCRIPTS)


@dataclass(frozen=True)
class Extras:
    """Parts of an installation that only some images have.

    Attributes:
        flight_port: port of Arrow Flight; 0 if not used.
        auxiliary_port: second port of Virtual DataPort's registry; 0 for the default of Denodo's
            installer.
        certificate: certificate and key of the web container in PEM form; empty without HTTPS.
        shares_scheduler: True if the form of the Scheduler has set the image up for PostgreSQL.
    """

    flight_port: int = 0
    auxiliary_port: int = 0
    certificate: str = ""
    shares_scheduler: bool = False


def _as_of_form(line: str) -> str:
    """Return a line of the Scheduler's file as Denodo's form Database Settings would write it."""
    key, separator, _ = line.partition("=")
    return f"{key}={WRITTEN_BY_FORM[key]}" if separator and key in WRITTEN_BY_FORM else line


def install(
    home: Path,
    *,
    at: str,
    version: str,
    node: str,
    address: str,
    python: str,
    folder: str,
    extras: Extras,
) -> None:
    """Create an installation in which servers listen on an address of a machine.

    Args:
        home: the folder to create.
        at: path of the folder as the machine's programs see it.
        version: version of Denodo.
        node: name by which the servers tell clients which node answers.
        address: address on which the servers listen.
        python: interpreter of the scripts.
        folder: folder of the stand-ins, as the machine's programs see it.
        extras: parts that only some images have.
    """
    copy_files(home, version)
    (home / "NODE").write_text(node)
    (home / "ADDRESS").write_text(address)
    (home / "metadata").write_text(_METADATA)
    (home / DATA_CATALOG).parent.mkdir(parents=True, exist_ok=True)
    (home / DATA_CATALOG).write_text(_EMBEDDED)
    if family(version) != "7.0":
        (home / SSO).write_text(_NO_SSO)
    if extras.flight_port:
        (home / "FLIGHT").write_text(str(extras.flight_port))
    if extras.auxiliary_port:
        with (home / VDP).open("a") as settings:
            settings.write(f"{_FACTORY_PORT}={extras.auxiliary_port}\n")
    if extras.certificate:
        (home / "web.pem").touch(0o600)
        (home / "web.pem").write_text(extras.certificate)
        with (home / WEB).open("a") as settings:
            settings.write(f"{_HTTPS_PORT}={_DEFAULT_HTTPS_PORT}\n")
    if extras.shares_scheduler:
        file = home / SCHEDULER
        lines = [_as_of_form(line) for line in file.read_text("latin-1").splitlines()]
        file.write_text("\n".join((*lines, "")), "latin-1")
    for name in script_names(version):
        script = home / "bin" / name
        script.write_text(_SCRIPT.format(python=python, folder=folder, home=at, name=name))
        script.chmod(0o755)
