"""Serve: MiniStack's calls and our own, until somebody says stop."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve as hypercorn
from hypercorn.config import Config

from tools.local_aws.emulator import checkpoint, creation_policy, emulator, plugin, target_health
from tools.local_aws.emulator.control import PREFIX, Control

_CLONE = Path(__file__).resolve().parents[3]
_OPERATION = re.compile(rb"\bAction=(ExecuteChangeSet|DeleteStack|CreateStack|UpdateStack)\b")
_BEGINNING = 4096
"""Bytes of a request in which its action stands."""
_PATIENCE = 100
"""How often an answer waits another fiftieth of a second."""
_READS = ("GET", "HEAD")


class Serving:
    """The server of one folder of state."""

    def __init__(self, server: socket.socket, folder: Path, *, stop_with_parent: bool) -> None:
        self._server, self._folder, self._stop_with_parent = server, folder, stop_with_parent
        self._kept = checkpoint.Checkpoint(folder / "state")
        self._control = Control(clone=str(_CLONE), kept=self._kept)
        plugin.install()
        # MiniStack would write file by file, in the middle of whatever is going on.
        emulator.replace(emulator.gateway, "save_all", lambda _states: self._kept.write())

    def run(self) -> None:
        """Serve until told to stop."""
        asyncio.run(self._main())
        (self._folder / "server.json").unlink(missing_ok=True)
        # Threads of MiniStack's may still sleep; the state is written.
        os._exit(0)

    async def _main(self) -> None:
        config = Config()
        config.bind = [f"fd://{self._server.fileno()}"]
        config.loglevel = os.environ["LOG_LEVEL"]
        config.graceful_timeout = 1
        self._kept.read_own()
        checker = target_health.Checker()
        checker.start()
        keeping = asyncio.create_task(self._kept.keep())
        self._announce()
        try:
            await hypercorn(self._application, config, shutdown_trigger=self._asked_to_stop)
        finally:
            keeping.cancel()
            checker.stop()

    async def _asked_to_stop(self) -> None:
        """Wait for a signal, or for the end of who has started us, where that was asked for."""
        stopping, loop, parent = asyncio.Event(), asyncio.get_running_loop(), os.getppid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stopping.set)
        while not stopping.is_set():
            if self._stop_with_parent and os.getppid() != parent:
                break
            try:
                await asyncio.wait_for(stopping.wait(), 1)
            except TimeoutError:
                continue
        creation_policy.release()

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await emulator.gateway.app(scope, receive, send)
            return
        if scope["method"] not in _READS:
            self._kept.changed()
        if scope["path"].startswith(PREFIX):
            await self._own(scope, receive, send)
        else:
            await emulator.gateway.app(scope, *_patient(receive, send, checkpoint.in_progress))

    async def _own(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = self._control.answer(scope["method"], scope["path"], body)
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status, "headers": kind})
        await send({"type": "http.response.body", "body": json.dumps(answer.content).encode()})

    def _announce(self) -> None:
        """Write where the server is, for the commands that look for it."""
        told = {"pid": os.getpid(), "port": self._server.getsockname()[1]}
        new = self._folder / "server.json.new"
        new.write_text(json.dumps(told))
        new.rename(self._folder / "server.json")


def _patient(receive: Any, send: Any, busy: Callable[[], list[str]]) -> tuple[Any, Any]:
    """Have the answer to an operation on a stack wait until that is over, but not for long.

    The CDK CLI looks whether a stack is ready at once and then every five seconds, and most
    stacks take a tenth of one here.
    """
    body = bytearray()

    async def received() -> Any:
        message = await receive()
        body.extend(message.get("body", b"")[:_BEGINNING])
        return message

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start" and _OPERATION.search(bytes(body)):
            for _ in range(_PATIENCE):
                await asyncio.sleep(0.02)
                if not busy():
                    break
        await send(message)

    return received, sent
