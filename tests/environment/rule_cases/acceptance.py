"""Cases of the rule about `accept`, the findings that users accept."""

from denodo_ha.environment.rules.acceptance import accepted_names
from tests.environment.rule_cases.case import Right, Wrong

LATER = {"why": "known", "until": "2999-12-31"}

WRONG = (
    Wrong(
        accepted_names,
        {"accept/one-nod": LATER},
        "accept.one-nod",
        ("is not the name of a finding (one-nod)", "did you mean one-node?"),
    ),
)
RIGHT = (Right(accepted_names, {"accept/one-node": LATER}),)
