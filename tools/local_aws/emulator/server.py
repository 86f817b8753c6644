"""The HTTP server, which answers AWS calls with MiniStack, and calls of the control API."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tools.local_aws.emulator import (
    call_faults,
    checkpoint,
    loopback,
    machines,
    ministack,
    plugin,
    quotas,
)
from tools.local_aws.emulator.child_processes import CHILDREN
from tools.local_aws.emulator.cloudformation import creation_policy
from tools.local_aws.emulator.cloudwatch import notifications
from tools.local_aws.emulator.control_api import PREFIX, ControlApi
from tools.local_aws.emulator.elb import forwarding, target_health
from tools.local_aws.emulator.living import LIVING
from tools.local_aws.emulator.route53.dns_server import DnsServer

_CLONE = Path(__file__).resolve().parents[3]
_STACK_OPERATION = re.compile(rb"\bAction=(ExecuteChangeSet|DeleteStack|CreateStack|UpdateStack)\b")
_SEARCHED_BYTES = 4096
"""Project default: number of bytes at the start of a request that are searched for the name of the
action."""
_PARENT_POLL_S = 1
_STACK_POLL_S, _STACK_POLLS = 0.02, 100
"""Project default: seconds between polls and number of polls. Their product is the longest delay of
the answer to a stack operation."""
_READ_METHODS = ("GET", "HEAD")


class Server:
    """The server of one state folder.

    Args:
        listening: the listening socket.
        folder: the state folder.
        parent: id of the process with whose end the server stops; None: the server runs until a
            signal. The id comes from the command line: the imports take seconds, and if the parent
            ends meanwhile, `os.getppid` returns the id of another process.
    """

    def __init__(self, listening: socket.socket, folder: Path, *, parent: int | None) -> None:
        self._listening, self._folder, self._parent = listening, folder, parent
        self._checkpoint = checkpoint.Checkpoint(folder / "state")
        self._names = DnsServer()
        self._control = ControlApi(
            clone=str(_CLONE), checkpoint=self._checkpoint, names=self._names
        )
        plugin.install()
        forwarding.install(listening.getsockname()[1])
        notifications.install(folder / "notifications.txt")
        # MiniStack's own function would write the files one after the other while it answers
        # requests.
        ministack.replace(ministack.gateway, "save_all", lambda _states: self._checkpoint.write())

    def run(self) -> None:
        """Run the server until a signal arrives or the parent process ends."""
        asyncio.run(self._main())
        (self._folder / "server.json").unlink(missing_ok=True)
        # Do not wait for threads of MiniStack; the state is already written.
        os._exit(0)

    async def _main(self) -> None:
        config = Config()
        config.bind = [f"fd://{self._listening.fileno()}"]
        config.loglevel = os.environ["LOG_LEVEL"]
        config.graceful_timeout = 1
        self._checkpoint.restore_plugin_state()
        loopback.start(self._folder)
        CHILDREN.install(self._folder)
        checker = target_health.Checker()
        checker.start()
        evaluator = notifications.Evaluator()
        evaluator.start()
        LIVING.when("names", self._names.start, self._names.stop)
        writing = asyncio.create_task(self._checkpoint.write_after_changes())
        self._write_server_record()
        LIVING.apply()
        try:
            await serve(self._application, config, shutdown_trigger=self._wait_for_stop)
        finally:
            machines.MACHINES.stop()
            CHILDREN.stop_all()
            writing.cancel()
            self._names.stop()
            checker.stop()
            evaluator.stop()

    async def _wait_for_stop(self) -> None:
        """Wait for a signal, or for the end of the parent process."""
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stopping.set)
        while not stopping.is_set():
            if self._parent is not None and os.getppid() != self._parent:
                break
            try:
                await asyncio.wait_for(stopping.wait(), _PARENT_POLL_S)
            except TimeoutError:
                continue
        creation_policy.release()

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await ministack.gateway.app(scope, receive, send)
            return
        if scope["method"] not in _READ_METHODS and scope["path"] != f"{PREFIX}flows":
            self._checkpoint.note_change()
        if scope["path"].startswith(PREFIX):
            await self._answer_control(scope, receive, send)
        else:
            delayed = _after_stack_operation(receive, send, checkpoint.stacks_in_progress)
            application = quotas.with_quotas(ministack.gateway.app)
            await call_faults.with_faults(application)(scope, *delayed)

    async def _answer_control(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["path"] == f"{PREFIX}forwarding":
            given = parse_qs(scope["query_string"].decode())
            await forwarding.changed("".join(given.get("after", [])))
        answer = self._control.answer(scope["method"], scope["path"], body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer.content).encode()})

    def _write_server_record(self) -> None:
        """Write process id and port to a file that the commands read."""
        record = {"pid": os.getpid(), "port": self._listening.getsockname()[1]}
        new = self._folder / "server.json.new"
        new.write_text(json.dumps(record))
        new.rename(self._folder / "server.json")


def _after_stack_operation(
    receive: Any, send: Any, in_progress: Callable[[], list[str]]
) -> tuple[Any, Any]:
    """Delay the answer to a stack operation until the operation ends, but only for a short time.

    The CDK CLI polls a stack at once and then every five seconds, and most operations of the local
    AWS take a tenth of a second. So the delay saves most of the waiting time.
    """
    body = bytearray()

    async def noting_receive() -> Any:
        message = await receive()
        body.extend(message.get("body", b"")[:_SEARCHED_BYTES])
        return message

    async def delayed_send(message: Any) -> None:
        if message["type"] == "http.response.start" and _STACK_OPERATION.search(bytes(body)):
            for _ in range(_STACK_POLLS):
                await asyncio.sleep(_STACK_POLL_S)
                if not in_progress():
                    break
        await send(message)

    return noting_receive, delayed_send
