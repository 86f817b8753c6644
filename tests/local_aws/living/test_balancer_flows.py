"""Flows of Network Load Balancers: the end of a flow, the data that passes, and the counts."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_aws.living import balancing
from tests.local_aws.living.balancing import (
    TIMEOUT_S,
    ZONES,
    Client,
    Control,
    Node,
    balancer,
    expect,
    listener,
    table,
)
from tests.support.servers.certificates import Authority
from tests.support.waiting import until
from tools.local_aws.living.balancer import configuration
from tools.local_aws.living.balancer.configuration import Configuration
from tools.local_aws.living.balancer.flows import Flow
from tools.local_aws.living.balancer.forwarder import Forwarder

_TERMINATION = "target_health_state.unhealthy.connection_termination.enabled"
_DRAINING = "target_health_state.unhealthy.draining_interval_seconds"
_DEREGISTRATION = "deregistration_delay.connection_termination.enabled"


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    with balancing.running() as result:
        yield result


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    node = Node("node1")
    with balancing.serving(node):
        yield node


@pytest.fixture
def port() -> int:
    return balancing.port()


def at(port: int) -> balancing.Endpoint:
    return ZONES["a"], port


def is_reset(client: Client) -> bool:
    """Wait until a connection ends; return whether the end was a reset."""
    try:
        client.line()
    except ConnectionResetError:
        return True
    except ConnectionAbortedError:
        return False
    return False


class TestUnhealthyTargets:
    def test_connections_are_terminated_by_default(
        self, control: Control, node: Node, port: int
    ) -> None:
        control.apply(table(balancer(listener(port, node.target()))))
        with Client(at(port)) as client:
            assert client.ask("hello") == "hello"
            control.apply(table(balancer(listener(port, node.target("unhealthy")))))
            assert is_reset(client)
        # The target group fails open: a new flow to the same target is not terminated.
        with Client(at(port)) as client:
            control.apply(table(balancer(listener(port, node.target("unhealthy")), arn="nlb")))
            assert client.ask("hello") == "hello"

    def test_connections_continue_without_termination(
        self, control: Control, node: Node, port: int
    ) -> None:
        attributes = {_TERMINATION: "false"}
        control.apply(table(balancer(listener(port, node.target(), attributes=attributes))))
        with Client(at(port)) as client:
            there = listener(port, node.target("unhealthy"), attributes=attributes)
            control.apply(table(balancer(there)))
            assert client.ask("hello") == "hello"

    def test_connections_end_with_the_draining_interval(
        self, control: Control, node: Node, port: int
    ) -> None:
        attributes = {_TERMINATION: "false", _DRAINING: "30"}
        control.apply(table(balancer(listener(port, node.target(), attributes=attributes))))
        with Client(at(port)) as client:
            there = listener(port, node.target("unhealthy"), attributes=attributes)
            control.apply(table(balancer(there)))
            assert is_reset(client)

    def test_a_target_that_recovers_in_the_interval_keeps_them(self, port: int) -> None:
        """The test applies all tables without a pause, so that no interval expires in between."""
        attributes = {_TERMINATION: "false", _DRAINING: "0.001"}

        def at_state(state: str) -> Configuration:
            there = listener(port, balancing.target("node1", state), attributes=attributes)
            return configuration.read(table(balancer(there)))

        async def end(*states: str) -> list[str]:
            forwarder, resets = Forwarder(), list[str]()
            await forwarder.apply(at_state("healthy"))
            flow = Flow(
                balancer="nlb",
                listener=f"listener-{port}",
                zone="a",
                target=(f"group-listener-{port}", "node1", 9999),
                was_healthy=True,
                idle_after=TIMEOUT_S,
                on_reset=resets.append,
            )
            forwarder.flows.add(flow)
            for state in states:
                await forwarder.apply(at_state(state))
            await asyncio.sleep(0.05)
            forwarder.flows.clear()
            forwarder.close()
            return resets

        assert asyncio.run(end("unhealthy")) == ["balancer"]
        assert asyncio.run(end("unhealthy", "healthy")) == []


class TestDeregisteredTargets:
    @pytest.mark.parametrize("terminates", ["true", "false"])
    def test_connections_outlive_the_delay_unless_terminated(
        self, control: Control, node: Node, port: int, terminates: str
    ) -> None:
        attributes = {_DEREGISTRATION: terminates}
        other = node.target(id="other", endpoint=None)
        control.apply(table(balancer(listener(port, node.target(), attributes=attributes))))
        with Client(at(port)) as client:
            draining = listener(port, node.target("draining"), other, attributes=attributes)
            control.apply(table(balancer(draining)))
            assert client.ask("draining") == "draining"
            control.apply(table(balancer(listener(port, other, attributes=attributes))))
            if terminates == "true":
                assert is_reset(client)
            else:
                assert client.ask("deregistered") == "deregistered"


def test_an_idle_flow_is_forgotten_and_the_next_data_reset(
    control: Control, node: Node, port: int
) -> None:
    control.apply(table(balancer(listener(port, node.target(), idle_timeout=10.0))))
    with Client(at(port)) as client:
        assert client.is_silent(), "no notice"  # for 40 s of AWS; the idle timeout is 10 s
        client.send("late")
        assert is_reset(client)


def test_one_direction_closes_before_the_other(control: Control, node: Node, port: int) -> None:
    control.apply(table(balancer(listener(port, node.target()))))
    with Client(at(port)) as client:
        client.end_sending()
        assert client.line() == "end"


def test_a_reset_of_a_target_arrives_and_is_counted(
    control: Control, node: Node, port: int
) -> None:
    control.apply(table(balancer(listener(port, node.target()), arn="counted")))
    with Client(at(port)) as client:
        until(lambda: last(control, "ActiveFlowCount") == 1)
        client.send("reset")
        assert is_reset(client)
    until(lambda: control.counted("counted", "TCP_Target_Reset_Count") == 1)
    assert control.counted("counted", "NewFlowCount") == 1
    until(lambda: last(control, "ActiveFlowCount") == 0)


def last(control: Control, metric: str) -> int | None:
    """Return the value of a metric in the last report of a load balancer, None without a report."""
    values = [report["counted"] for report in control.reports if "counted" in report]
    return values[-1].get(metric) if values else None


def test_a_cut_stops_a_flow_and_its_end_lets_it_go_on(
    control: Control, node: Node, port: int
) -> None:
    control.apply(table(balancer(listener(port, node.target()))))
    with Client(at(port)) as client:
        control.apply(table(balancer(listener(port, node.target(cut=True)))))
        client.send("through")
        assert client.is_silent()
        control.apply(table(balancer(listener(port, node.target()))))
        assert client.line() == "through"


def test_the_proxy_protocol_names_the_client(control: Control, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT_S)
        there = balancing.target("node1", endpoint=list(server.getsockname()))
        attributes = {"proxy_protocol_v2.enabled": "true", "preserve_client_ip.enabled": "false"}
        control.apply(table(balancer(listener(port, there, attributes=attributes))))
        with socket.create_connection(at(port), TIMEOUT_S, source_address=("127.0.9.1", 0)) as one:
            accepted, _ = server.accept()
            with accepted:
                header = accepted.recv(28, socket.MSG_WAITALL)
                source = one.getsockname()
    # PROXY protocol specification, section 2.2: signature, version and command, family, length,
    # addresses, ports.
    assert header[:16] == b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    assert header[16:24] == socket.inet_aton("127.0.9.1") + socket.inet_aton(ZONES["a"])
    assert struct.unpack("!HH", header[24:]) == (source[1], port)


class TestTls:
    """TLS ends at the listener. Whether TLS is used to targets depends on the target group."""

    @pytest.fixture
    def authority(self) -> Authority:
        return Authority("tests")

    @pytest.fixture
    def certificate(self, authority: Authority, tmp_path: Path) -> list[str]:
        identity = authority.issue("denodo.example.com")
        files = (tmp_path / "chain.pem", tmp_path / "key.pem")
        for file, content in zip(files, (identity.chain, identity.key), strict=True):
            file.write_bytes(content)
        return [str(file) for file in files]

    def read(self, port: int, authority: Authority, *alpn: str) -> tuple[str, str | None]:
        """Connect by TLS; return the name of the node, and the protocol that was negotiated."""
        context = ssl.create_default_context(cadata=authority.certificate.decode())
        if alpn:
            context.set_alpn_protocols(list(alpn))
        with (
            socket.create_connection(at(port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname="denodo.example.com") as secure,
            secure.makefile("rb") as file,
        ):
            return file.readline().decode().partition(" ")[0], secure.selected_alpn_protocol()

    def test_to_a_plain_target(
        self,
        control: Control,
        node: Node,
        port: int,
        certificate: list[str],
        authority: Authority,
    ) -> None:
        there = listener(
            port,
            node.target(),
            protocol="TLS",
            certificate=certificate,
            alpn=["HTTP2Only"],
        )
        control.apply(table(balancer(there)))
        assert self.read(port, authority, "h2", "http/1.1") == ("node1", "h2")
        assert self.read(port, authority) == ("node1", None)

    def test_to_an_encrypted_target(
        self, control: Control, port: int, certificate: list[str], authority: Authority
    ) -> None:
        """The load balancer does not verify the target's certificate, which has another name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        node = Node("node2", context)
        with balancing.serving(node):
            there = listener(
                port,
                node.target(),
                protocol="TLS",
                certificate=certificate,
                group_protocol="TLS",
            )
            control.apply(table(balancer(there)))
            assert self.read(port, authority) == ("node2", None)

    def test_without_a_target_the_listener_itself_accepts(
        self, control: Control, port: int, certificate: list[str]
    ) -> None:
        """The listener accepts connections, so a check that only connects passes nevertheless."""
        there = listener(port, protocol="TLS", certificate=certificate)
        control.apply(table(balancer(there)))
        with socket.create_connection(at(port), TIMEOUT_S):
            pass
        expect(at(port), "silent")  # The listener waits for a TLS handshake.
