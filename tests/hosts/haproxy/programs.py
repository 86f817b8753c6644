"""HAProxy programs of several versions, for tests of HAProxy's files and answers.

The Python package contains version 2.8, and Debian's package version 2.6. The environment variable
HAPROXY_PROGRAMS adds paths of other versions, such as a 3.x built for tests, separated by colons.
"""

import os
import shutil

import pytest

from tests.support.servers.haproxy_program import PROGRAM

DEBIAN = "/usr/sbin/haproxy"
PROGRAMS = (
    pytest.param(PROGRAM, id="wheel"),
    pytest.param(
        DEBIAN,
        id="debian",
        marks=pytest.mark.skipif(
            shutil.which(DEBIAN) is None, reason="needs `apt-get install haproxy`"
        ),
    ),
    *(
        pytest.param(program, id=f"other{place}")
        for place, program in enumerate(os.environ.get("HAPROXY_PROGRAMS", "").split(":"))
        if program
    ),
)
