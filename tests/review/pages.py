"""Reviews and pages for tests, with hostile texts in every place that an attacker could write."""

from collections.abc import Iterable
from typing import Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.plan.node_changes import Change
from denodo_ha.review.cost.cost_change import CostChange
from denodo_ha.review.cost.monthly_cost import monthly_cost
from denodo_ha.review.finding import Finding, finding, in_order
from denodo_ha.review.next_steps import DeployEffects, Step
from denodo_ha.review.page.html_page import html_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.page.page_parts import Drawing, Page
from denodo_ha.review.picture.graph import Area, Box, Edge, Picture
from denodo_ha.review.picture.svg import svg
from denodo_ha.review.review import Review

HOSTILE: Final = (
    "\x1b[2J</details></pre></style></title>```\n# forged <script>alert(1)</script>|`x`"
    "<img src=https://example.com/x onerror=alert(2)>\"'&lt;{0}{evil}%s\u202e"
)
"""A text with Markdown, HTML, format strings and terminal sequences, none of which may take
effect."""

PICTURE: Final = Picture(
    (Area("a", "active"),),
    (Box("clients", "clients", "clients"), Box("b", "balancer", "NLB", ("9999",), "a", "new")),
    (Edge("clients", "b", "while healthy", mark="new"),),
)
NOTHING: Final = DeployEffects((), (), (), (), is_changed=False)


def review_of(*findings: Finding, effects: DeployEffects = NOTHING) -> Review:
    """Return a review with findings, a command to run, and a picture."""
    steps = (Step("denodo-ha plan -c prod", "compares"),)
    compared = ("Compared: 3 failures.",)
    return Review("prod", in_order(findings), (), effects, steps, compared, PICTURE)


def hostile_page() -> Page:
    """Return a page in which every text is hostile."""
    effects = DeployEffects(
        [Change(HOSTILE, HOSTILE, effect, (HOSTILE,)) for effect in Effect],
        *((), (), ()),
        is_changed=True,
    )
    picture = Picture(
        (Area("a", HOSTILE),),
        (Box("b", "node", HOSTILE, (HOSTILE,), "a"), Box("c", "clients", HOSTILE)),
        (Edge("c", "b", HOSTILE, mark="removed"),),
    )
    findings = [finding(name, HOSTILE, HOSTILE) for name in ("tls-off", "failure-worse")]
    accepted = (finding("multi-az-off", HOSTILE, HOSTILE),)
    steps = (Step(HOSTILE, HOSTILE),)
    cost = CostChange(*(monthly_cost([_hostile_stack(count)], {}) for count in (1, 2)))
    texts = (HOSTILE,)
    review = Review(HOSTILE, in_order(findings), accepted, effects, steps, texts, picture, cost)
    return page_of(review, HOSTILE, [HOSTILE])


def _hostile_stack(count: int) -> SynthesisedStack:
    node = {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": HOSTILE}}
    nodes = {f"{HOSTILE}{number}": node for number in range(count)}
    return SynthesisedStack(HOSTILE, HOSTILE, "", {"Resources": nodes})


def page_with(findings: Iterable[Finding], differences: Iterable[str] = ("Stack x",)) -> Page:
    """Return a page with findings and differences."""
    return page_of(review_of(*findings), "From a to b", list(differences))


def drawn(page: Page) -> str:
    """Return a page in HTML, with its picture drawn by Graphviz."""
    (drawing,) = [
        block for part in page.sections for block in part.blocks if isinstance(block, Drawing)
    ]
    return html_page(page, svg(drawing.picture, "Topology as clients see it"))
