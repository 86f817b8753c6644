"""Two stand-in nodes for all tests of this folder, and an HAProxy in front of them for each."""

import shutil
from collections.abc import Iterator

import pytest

from tests import jvm
from tests.haproxy import stand_ins
from tests.haproxy.running import Running, configuration, running
from tests.haproxy.stand_ins import Site


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    jvm.start()  # by one thread, and not by every client
    made = stand_ins.site()
    yield made
    made.end()


@pytest.fixture
def site(_site: Site) -> Site:
    """Two nodes that run, whatever the test before did to them."""
    _site.whole()
    return _site


@pytest.fixture
def proxy(site: Site) -> Iterator[Running]:
    """HAProxy with the generated file in front of them."""
    made = running(configuration(site.ports))
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder)
