"""Cases of the rules about the connections of unhealthy targets."""

from denodo_ha.environment.rules.target_groups import unhealthy_termination_has_effect
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE

BALANCER = "clusters/main/balancer"
KEEPS = {"port": 9999, "unhealthy_termination": False}
ENDS = {"port": 9999, "unhealthy_termination": True}
PATH = "services.jdbc.unhealthy_termination"

WRONG = (
    Wrong(
        unhealthy_termination_has_effect,
        {
            "services/jdbc": KEEPS,
            "clusters/main/nodes/node2": GONE,
            BALANCER: {"kind": "none", "clients": ["10.0.0.0/8"]},
        },
        PATH,
        (
            "has no effect in main (false)",
            "connect to the node itself",
            "remove unhealthy_termination",
        ),
    ),
    Wrong(
        unhealthy_termination_has_effect,
        {"services/web": {"port": 9090, "sticky": "cookie", "unhealthy_termination": False}},
        "services.web.unhealthy_termination",
        ("has no effect in main (false)", "behind an Application Load Balancer"),
    ),
    Wrong(
        unhealthy_termination_has_effect,
        {
            "services/web": {"port": 9090, "unhealthy_termination": True},
            f"{BALANCER}/kind": "haproxy",
        },
        "services.web.unhealthy_termination",
        ("has no effect in main (true)", "HAProxy reads the requests"),
        deploying=False,
    ),
    Wrong(
        unhealthy_termination_has_effect,
        {"services/jdbc": ENDS, f"{BALANCER}/zonal_shift": True},
        PATH,
        ("has no effect in main (true)", "zonal_shift needs false for every target group"),
    ),
)
RIGHT = (
    Right(unhealthy_termination_has_effect, {"services/jdbc": KEEPS}),
    Right(unhealthy_termination_has_effect, {"services/jdbc": ENDS}),
    Right(
        unhealthy_termination_has_effect,
        {"services/jdbc": KEEPS, f"{BALANCER}/zonal_shift": True},
    ),
    Right(
        unhealthy_termination_has_effect,
        {"services/jdbc": KEEPS, f"{BALANCER}/kind": "haproxy"},
        deploying=False,
    ),
)
