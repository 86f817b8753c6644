"""Two stand-in nodes for all tests of this folder, and one HAProxy for each test."""

from collections.abc import Iterator

import pytest

from tests.hosts.haproxy import stand_ins
from tests.hosts.haproxy.certificates import Certificates
from tests.hosts.haproxy.certificates import certificates as make_certificates
from tests.hosts.haproxy.running import Running, configuration, running
from tests.hosts.haproxy.stand_ins import Site
from tests.support import jvm


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    # The JVM is started here, since the clients' threads must not start it concurrently.
    jvm.start()
    made = stand_ins.site()
    yield made
    made.end()


@pytest.fixture
def site(_site: Site) -> Site:
    """Return the two stand-in nodes; restart a node that the previous test has stopped."""
    _site.whole()
    return _site


@pytest.fixture
def proxy(site: Site) -> Iterator[Running]:
    """Run HAProxy with the generated file in front of both nodes."""
    with running(configuration(site.ports)) as made:
        yield made


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates for HAProxy and the nodes, of one authority."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
