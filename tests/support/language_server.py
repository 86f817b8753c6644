"""A client of yaml-language-server: what an editor shows in a configuration file.

with YamlLanguageServer(folder) as server:
    diagnostics = server.diagnostics(folder / "config/prod.yaml")
"""

import json
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.assembly import ROOT

PROGRAM: Final = ROOT / "node_modules/yaml-language-server/bin/yaml-language-server"
_ANSWER_S: Final = 120


class YamlLanguageServer:
    """The server as a process, which ends with the `with` block."""

    def __init__(self, folder: Path) -> None:
        """Start the server for a folder."""
        self._folder = folder
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            [ROOT / ".venv/node", PROGRAM, "--stdio"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Initialise the server without access to schemas of the internet."""
        root = self._folder.as_uri()
        workspace = [{"uri": root, "name": "clone"}]
        parameters = {"processId": None, "rootUri": root, "workspaceFolders": workspace}
        self._send("initialize", parameters | {"capabilities": {}}, number=1)
        self._wait(lambda message: message.get("id") == 1 and "result" in message)
        self._send("initialized", {})
        settings = {"yaml": {"validate": True, "schemaStore": {"enable": False}}}
        self._send("workspace/didChangeConfiguration", {"settings": settings})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the server's process."""
        self._process.kill()
        self._process.wait(timeout=_ANSWER_S)
        self._reader.join(timeout=_ANSWER_S)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def diagnostics(self, file: Path) -> list[str]:
        """Open a file, and return the line and the text of each diagnostic."""
        document = {
            "uri": file.as_uri(),
            "languageId": "yaml",
            "version": 1,
            "text": file.read_text(encoding="utf-8"),
        }
        self._send("textDocument/didOpen", {"textDocument": document})
        answer = self._wait(
            lambda message: (
                message.get("method") == "textDocument/publishDiagnostics"
                and message["params"]["uri"] == document["uri"]
            )
        )
        return [
            f"{each['range']['start']['line'] + 1}: {each['message']}"
            for each in answer["params"]["diagnostics"]
        ]

    def _send(self, method: str, parameters: dict[str, Any], number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": parameters}
        self._write(message if number is None else message | {"id": number})

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _wait(self, wanted: Any) -> dict[str, Any]:
        """Return the first message that `wanted` accepts; give all requests empty answers."""
        while True:
            message = self._messages.get(timeout=_ANSWER_S)
            if wanted(message):
                return message
            if "id" in message and "method" in message:
                items = message.get("params", {}).get("items", [])
                self._write({"jsonrpc": "2.0", "id": message["id"], "result": [None] * len(items)})

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline():
            length = int(line.split(b":")[1])
            while stream.readline().strip():
                pass
            self._messages.put(json.loads(stream.read(length)))
