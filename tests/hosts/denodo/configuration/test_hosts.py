"""The node's names are written to the hosts file, and its other lines are kept."""

import os

import pytest

from hosts.denodo.configuration import hosts_file
from hosts.denodo.system import System
from tests.hosts.denodo.home import Home

_BLOCK = """\
# BEGIN denodo-node: written by the node program, do not edit
10.0.1.5 {}
# END denodo-node
"""


def test_both_names_lead_to_the_node(each_home: Home) -> None:
    state = each_home.state()
    assert hosts_file.write_names(each_home.system, hosts_file.node_names(state))
    names = {"7.0": "node1.active.denodo.internal balancer.example.com"}.get(
        each_home.version, "node1.active.denodo.internal"
    )
    text = each_home.system.hosts.read_text()
    assert text == _BLOCK.format(names) + "127.0.0.1 localhost\n"
    assert not hosts_file.write_names(each_home.system, hosts_file.node_names(state))


def test_the_block_is_replaced_where_it_is(home: Home) -> None:
    old = _BLOCK.format("old").replace("10.0.1.5", "10.9.9.9")
    home.system.hosts.write_text(f"127.0.0.1 localhost\n{old}# mine, without a line end")
    hosts_file.write_names(home.system, ["new"])
    expected = _BLOCK.format("new") + "127.0.0.1 localhost\n# mine, without a line end"
    assert home.system.hosts.read_text() == expected
    assert hosts_file.names_in_file(home.system) == ["new"]


def test_bytes_and_line_ends_outside_the_block_remain(home: Home) -> None:
    other = b"127.0.0.1 localhost\r\n# caf\xe9\r\n"
    home.system.hosts.write_bytes(other)
    assert hosts_file.write_names(home.system, ["old"])
    assert home.system.hosts.read_bytes() == _BLOCK.format("old").encode() + other
    # The block has the line ends of the rest of the file, as if an editor had converted the block.
    home.system.hosts.write_bytes(other + _BLOCK.format("old").replace("\n", "\r\n").encode()[:-2])
    assert hosts_file.names_in_file(home.system) == ["old"]
    assert hosts_file.write_names(home.system, ["new"])
    assert home.system.hosts.read_bytes() == _BLOCK.format("new").encode() + other


def test_a_hosts_file_that_is_not_a_file_is_refused(home: Home) -> None:
    home.system.hosts.unlink()
    os.mkfifo(home.system.hosts)
    with pytest.raises(OSError, match="not a regular file"):
        hosts_file.names_in_file(home.system)


def test_the_own_address_is_found() -> None:
    assert System().own_address.count(".") == 3
