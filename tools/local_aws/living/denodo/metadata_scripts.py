"""Stand-ins for Denodo's scripts that import, export or store metadata, or set up TLS.

Each stand-in writes the arguments and files that it got from the node program to a file of the
Denodo home, for tests. This module also has the stand-in for the script that encrypts passwords.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_aws.living.denodo.stand_in import Home

_VDP = "conf/vdp/VDBConfiguration.properties"
_TLS = "com.denodo.security.ssl"


def tls(home: "Home", arguments: list[str]) -> int:
    """Record the arguments, and change Denodo's files as the real script does."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    files = {
        key: Path(path).read_text("latin-1") for key, path in given.items() if "home" not in key
    }
    modes = {key: oct(Path(path).stat().st_mode & 0o777) for key, path in given.items()}
    (home.path / "tls.json").write_text(json.dumps({"files": files, "modes": modes}))
    file = home.path / _VDP
    keys = (f"{_TLS}.enabled=", f"{_TLS}.keyStore=")
    kept = [line for line in file.read_text("latin-1").splitlines() if not line.startswith(keys)]
    store = given["--keystore"]
    file.write_text("\n".join((*kept, f"{keys[0]}true", f"{keys[1]}{store}", "")), "latin-1")
    return 0


def import_metadata(home: "Home", arguments: list[str]) -> int:
    """Record the files of an import, and the user and password in its servers file.

    The servers file has a line //HOST:PORT/DATABASE?USER@PASSWORD[&OPTION=VALUE].
    """
    assert arguments[0] == "--singleuser", arguments
    arguments = arguments[1:]
    behaviour = home.behaves("import.sh")
    if "some" in behaviour:
        sys.stderr.write("2 elements failed\n")
        return 126
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    (home.path / "imported.json").write_text(
        json.dumps({key: Path(path).read_text() for key, path in given.items()})
    )
    address = Path(given["--servers-file"]).read_text().strip()
    user, _, password = address.partition("?")[2].partition("&")[0].partition("@")
    if password.startswith("encrypted:"):
        password = decrypted(password[len("encrypted:") :])
    (home.path / "imported-as.json").write_text(json.dumps([user, password]))
    return 0


def regenerate_metadata(home: "Home", arguments: list[str]) -> int:
    """Record the arguments, and change Virtual DataPort's file as the real script does."""
    flag, file, yes = arguments
    assert (flag, yes) == ("--file", "--yes"), arguments
    mode = oct(Path(file).stat().st_mode & 0o777)
    given = {"mode": mode, "text": Path(file).read_text()}
    (home.path / "metadata.json").write_text(json.dumps(given))
    with (home.path / _VDP).open("a") as written:
        written.write("com.denodo.vdb.catalog.storage.plugin=postgresql\n")
    return 0


def export_metadata(home: "Home", arguments: list[str]) -> int:
    """Export the file `metadata`.

    Behaviours: `half` exports a part and fails, `some` fails after the export, `nothing` exits
    with 0 without an export, and `random` adds an element that differs each time.
    """
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    login = Path(given["--configurationfile"])
    noted = {
        "login": login.read_text(),
        "mode": oct(login.stat().st_mode & 0o777),
        "user": given["--login"],
    }
    (home.path / "exported.json").write_text(json.dumps(noted))
    text = (home.path / "metadata").read_text()
    behaviour = home.behaves("export.sh")
    if "nothing" in behaviour:
        return 0
    if "random" in behaviour:
        text += f"CREATE VIEW random AS '{os.urandom(8).hex()}';\n"
    if "some" in behaviour:
        Path(given["--file"]).write_text(text)
        sys.stderr.write("2 elements failed\n")
        return 126
    if "half" in behaviour:
        Path(given["--file"]).write_text(text[: len(text) // 2])
        sys.stderr.write("connection lost\n")
        return 1
    Path(given["--file"]).write_text(text)
    return 0


def encrypt(home: "Home", arguments: list[str]) -> int:
    """Encrypt the password on standard input.

    Behaviours: `silent` prints nothing, `prompt` only a prompt, `fault` only an error message, and
    `one-line` the label and the result in one line. The exit status is always 0.
    """
    assert not arguments
    # Like Java, the script decodes its input according to the locale; without a locale, as ASCII.
    coding = "utf-8" if os.environ.get("LC_ALL", "").endswith("UTF-8") else "ascii"
    given = sys.stdin.buffer.readline().decode(coding, "replace").rstrip("\n")
    behaviour = home.behaves("encrypt_password.sh")
    if "prompt" in behaviour:
        sys.stdout.write("Enter the password: ")
    elif "fault" in behaviour:
        sys.stdout.write("java.io.IOException: no console\n")
    elif "silent" not in behaviour:
        separator = " " if "one-line" in behaviour else "\n"
        sys.stdout.write(f"Encrypted Password:{separator}{encrypted(given)}\n")
    return 0


def encrypted(text: str) -> str:
    """Return a text in the form in which `encrypt` prints it."""
    return base64.b64encode(bytes(255 - byte for byte in text.encode())).decode()


def decrypted(text: str) -> str:
    """Return the plain text of a text that `encrypted` has returned."""
    return bytes(255 - byte for byte in base64.b64decode(text)).decode()


SCRIPTS: dict[str, "Callable[[Home, list[str]], int]"] = {
    "denodo_tls_configurator.sh": tls,
    "import.sh": import_metadata,
    "regenerateMetadata.sh": regenerate_metadata,
    "export.sh": export_metadata,
    "encrypt_password.sh": encrypt,
}
