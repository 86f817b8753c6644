"""The command `license-manager`: the answer of a License Manager, with real servers."""

import json
import socket
from contextlib import closing
from typing import Any

import pytest

from hosts.denodo import license_manager
from hosts.denodo.commands import main
from hosts.denodo.configuration import settings
from hosts.denodo.errors import OK, LicenseManagerError
from tests.hosts.denodo.home import Home
from tests.support.servers.certificates import Authority
from tests.support.servers.ports import free_port
from tests.support.servers.web import Web, web


def ask(home: Home, capsys: pytest.CaptureFixture[str], **manager: Any) -> tuple[int, str]:
    """Run the command for a License Manager on this machine; return exit code and messages."""
    state = home.folder / "asked.json"
    address = {"host": "127.0.0.1", "tls": False, **manager}
    state.write_text(json.dumps(home.data(license_manager=address if manager else None)))
    code = main([*home.arguments, "license-manager", f"--state={state}"])
    return code, "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("status", "answers"), [(200, True), (404, True), (401, True), (503, False)]
)
def test_an_answer(
    home: Home, capsys: pytest.CaptureFixture[str], status: int, *, answers: bool
) -> None:
    with web(Web(status=status)) as server:
        code, text = ask(home, capsys, port=server.port)
        assert server.asked == ["/pingLicenseManager"]
    assert code == (OK if answers else LicenseManagerError.code)
    assert (f"status {status}" in text) is not answers


def test_an_answer_over_tls(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with web(Web(), identity=Authority("test").issue("sm.example.com")) as server:
        assert ask(home, capsys, port=server.port, tls=True)[0] == OK
        # The server closes a connection that does not begin with a TLS handshake.
        assert ask(home, capsys, port=server.port)[0] == LicenseManagerError.code


def test_nothing_listens(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    code, text = ask(home, capsys, port=port)
    assert code == LicenseManagerError.code
    assert f"the License Manager 127.0.0.1:{port} does not answer: " in text
    assert "refused" in text


def test_a_server_that_says_nothing(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(license_manager, "SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        code, text = ask(home, capsys, port=silent.getsockname()[1])
    assert (code, "timed out" in text) == (LicenseManagerError.code, True)


def test_a_node_without_a_license_manager_asks_nothing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(home, capsys)[0] == OK
    home.write(str(settings.STANDALONE_LICENSE), "licence")
    assert ask(home, capsys, port=free_port())[0] == OK
