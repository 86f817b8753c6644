"""A network for clients, in which every program finds the names of the local AWS.

libc and Java ask port 53 of the servers in `/etc/resolv.conf`. A client's network is a network and
mount namespace of Linux with a `resolv.conf` of its own, so that no right of root is needed and
nothing else on this machine changes. In the client's network, 127.0.0.1:53 leads to the DNS server
of the local AWS. The ports of load balancers and instances lead to the same addresses outside of
the network; nothing else can be reached. In the client's network, all ports have their number on
AWS, such as 443. Outside, this user may not bind 443, so the local AWS uses port 10443 instead. All
programs of the network end with the process that relays their connections, even if that process is
killed.
"""

import asyncio
import fcntl
import os
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.local_aws.emulator import loopback
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.living import isolation
from tools.local_aws.living.isolation import DeniedError, system_call

Endpoint = tuple[str, int]

_NEWNS, _NEWUSER, _NEWNET = 0x20000, 0x10000000, 0x40000000
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_SET_FLAGS, _UP = 0x8914, 0x1
"""SIOCSIFFLAGS sets the flags of a network interface, and IFF_UP turns it on (netdevice(7))."""
_INTERFACE = struct.Struct("16sh22x")
_RESET = struct.pack("ii", 1, 0)
"""Value of SO_LINGER with which closing a socket resets the connection (socket(7))."""
_DNS = 53
_LOCALHOST = "127.0.0.1"
_ANSWER_S = 5.0
"""Default time-out of libc's resolver (resolv.conf(5))."""
_MOST_BYTES = 65_536
_NOT_FOUND = 127
"""Exit code of a shell for a program that cannot be run."""
_FILES = {
    "resolv.conf": f"nameserver {_LOCALHOST}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_CACHE = Path("/run/nscd")
"""Folder of this machine's name cache, which libc would ask instead of the DNS server of
the client's network."""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    dns: Endpoint,
    ports: Sequence[int],
) -> int:
    """Run a command in a client's network; return its exit code.

    Args:
        command: the program and its arguments.
        environment: the variables of the command.
        dns: endpoint of the DNS server.
        ports: TCP ports, as on AWS. A connection to one of these ports is relayed to the same
            loopback address outside of the client's network.

    Raises:
        LocalAwsError: this system denies the namespaces, or does not have them.
    """
    if sys.platform != "linux":
        message = (
            "a client's network needs namespaces of Linux. Resolve names with "
            "`make -s local-resolve NAME=denodo.example.com` (docs/reference/local.md, Names)"
        )
        raise LocalAwsError(message)
    inside, outside = socket.socketpair()
    count = len({*ports, _DNS}) + 1
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        outside.close()
        _become(command, environment, ports, inside)
    inside.close()
    listeners, network, problem = _received(outside, count)
    if problem:
        os.waitpid(child, 0)
        message = (
            f"this system does not let this user create a network namespace ({problem}). Resolve "
            "names with `make -s local-resolve NAME=denodo.example.com` "
            "(docs/reference/local.md, Names)"
        )
        raise LocalAwsError(message)
    # On Ctrl-C, the terminal sends SIGINT to the command as well, and the command decides what to
    # do.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _ended_with_this_process(network):
            return asyncio.run(_relay(child, listeners, dns))
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _ended_with_this_process(network: str) -> Iterator[None]:
    """Kill the programs of a network after this block, or when this process ends.

    The kernel would kill only the command itself (`isolation.die_with_parent`), not the programs
    that the command has started.
    """
    reading, writing = os.pipe()
    guard = os.fork()
    if guard == 0:
        try:
            # Signals of the terminal do not end the guard.
            os.setsid()
            os.close(writing)
            os.read(reading, 1)
            _kill_programs(network)
        finally:
            os._exit(0)
    os.close(reading)
    try:
        yield
    finally:
        os.close(writing)
        os.waitpid(guard, 0)


def _kill_programs(network: str) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        # Ignore processes that have ended, and processes of other users.
        with suppress(OSError):
            if str((process / "ns/net").readlink()) == network:
                os.kill(int(process.name), signal.SIGKILL)


def _received(outside: socket.socket, count: int) -> tuple[list[socket.socket], str, str]:
    """Return the listening sockets and the id of the client's network, or an error message.

    With an error message, the list of sockets and the id are empty.
    """
    with outside:
        text, descriptors, _, _ = socket.recv_fds(outside, 1000, count)
        ready, _, network = text.decode().partition(" ")
        if ready != "ready":
            return [], "", text.decode() or "the process ended"
        # This byte starts the command, whose connections are relayed from now on.
        outside.sendall(b"x")
        return [socket.socket(fileno=descriptor) for descriptor in descriptors], network, ""


def _become(
    command: Sequence[str],
    environment: Mapping[str, str],
    ports: Sequence[int],
    inside: socket.socket,
) -> None:
    """Enter a new network namespace in this forked process, and execute the command."""
    try:
        isolation.die_with_parent()
        _enter()
        listeners = [_udp(), *(_tcp(port) for port in sorted({*ports, _DNS}))]
    except (DeniedError, OSError) as error:
        inside.sendall(str(error).encode())
        os._exit(1)
    try:
        ready = f"ready {Path('/proc/self/ns/net').readlink()}".encode()
        socket.send_fds(inside, [ready], [item.fileno() for item in listeners])
        inside.recv(1)
        os.execvpe(command[0], [*command], environment)  # noqa: S606 - the user's own command
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.stderr.flush()
    finally:
        os._exit(_NOT_FOUND)


def _enter() -> None:
    user, group = os.geteuid(), os.getegid()
    system_call("unshare", _NEWNS | _NEWNET | (_NEWUSER if user else 0))
    if user:
        process = Path("/proc/self")
        (process / "setgroups").write_text("deny")
        (process / "uid_map").write_text(f"{user} {user} 1\n")
        (process / "gid_map").write_text(f"{group} {group} 1\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_FLAGS, _INTERFACE.pack(b"lo", _UP))
    system_call("mount", b"none", b"/", None, _REC | _PRIVATE, None)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _FILES.items():
            source, target = Path(folder, name), Path("/etc", name)
            source.write_text(text)
            source.chmod(0o644)
            if target.exists() or name == "resolv.conf":
                system_call("mount", bytes(source), bytes(target), None, _BIND, None)
        if _CACHE.is_dir():
            system_call("mount", b"none", bytes(_CACHE), b"tmpfs", 0, None)


def _udp() -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((_LOCALHOST, _DNS))
    server.settimeout(0)
    return server


def _tcp(port: int) -> socket.socket:
    # This network has only the loopback interface, which has all addresses of 127.0.0.0/8.
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - the loopback addresses of the client's network alone


async def _relay(child: int, listeners: Sequence[socket.socket], dns: Endpoint) -> int:
    """Relay DNS queries and connections until the command ends; return the command's exit code."""
    udp, *tcp = listeners
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("sockname")
        target = dns if port == _DNS else (host, loopback.stand_in(port))
        task = asyncio.create_task(_connect(reader, writer, target))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for listener in tcp:
        await asyncio.start_server(accept, sock=listener)
    tasks.add(asyncio.create_task(_answer_queries(udp, dns)))
    status = await asyncio.to_thread(os.waitpid, child, 0)
    for task in tasks:
        task.cancel()
    code = os.waitstatus_to_exitcode(status[1])
    return code if code >= 0 else 128 - code


async def _connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Endpoint
) -> None:
    """Relay a connection to a target, and pass a reset of either side on to the other side.

    If the target refuses the relayed connection, the client's connection is reset as well.
    """
    try:
        other_reader, other_writer = await asyncio.open_connection(*target)
    except OSError:
        _abort(writer)
        return
    try:
        await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))
    except OSError:
        _abort(writer)
        _abort(other_writer)
    finally:
        writer.close()
        other_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_MOST_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _answer_queries(udp: socket.socket, dns: Endpoint) -> None:
    """Forward each DNS query of the client's network to the DNS server, and return the answer."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    while True:
        query, client = await loop.sock_recvfrom(udp, _MOST_BYTES)
        task = asyncio.create_task(_ask(query, dns, udp, client))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _ask(query: bytes, dns: Endpoint, udp: socket.socket, client: Endpoint) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside, suppress(OSError):
        outside.settimeout(0)
        outside.connect(dns)
        await loop.sock_sendall(outside, query)
        async with asyncio.timeout(_ANSWER_S):
            answer = await loop.sock_recv(outside, _MOST_BYTES)
        await loop.sock_sendto(udp, answer, client)
