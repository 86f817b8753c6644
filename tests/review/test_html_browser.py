"""The page of a review in a real browser: errors, requests, accessibility, narrow and printed."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.review.page.html_page import html_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.picture.svg import svg
from denodo_ha.review.review import Configuration, review_stacks
from tests.review.pages import drawn, hostile_page, page_with
from tests.support.assembly import ROOT, Assembly

pytestmark = pytest.mark.long

TIMEOUT_S: Final = 300
WHITE: Final = "rgb(255, 255, 255)"

Results = Mapping[str, Mapping[str, Any]]


def changed_example(assembly: Assembly) -> str:
    """Return the page of a change of an example: public load balancers, and smaller instances."""
    templates = assembly.templates
    changed = json.loads(json.dumps(templates).replace('"internal"', '"internet-facing"'))
    for template in changed.values():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::EC2::Instance":
                resource["Properties"]["InstanceType"] = "m5.large"
    base, new = (
        [SynthesisedStack(name, "eu-west-1", "", one) for name, one in side.items()]
        for side in (templates, changed)
    )
    review = review_stacks(base, new, Configuration("prod"), date(2026, 11, 27))
    assert review.picture is not None
    page = page_of(review, "From main to the working tree", ["Stack x\n[+] AWS::A\n[-] b\n[~] c"])
    return html_page(page, svg(review.picture, "Topology"))


@pytest.fixture(scope="module")
def results(
    assembly_of: Callable[[str], Assembly], tmp_path_factory: pytest.TempPathFactory
) -> Results:
    """Return the browser's findings on each page, by the page's name."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    modules = ROOT / "node_modules"
    if not (modules / "playwright-core").is_dir() or not (modules / "axe-core").is_dir():
        pytest.skip("the browser's driver is missing: make dev")
    pages = {
        "changed": changed_example(assembly_of("active-passive")),
        "hostile": drawn(hostile_page()),
        "nothing found": drawn(page_with([], [])),
    }
    folder = tmp_path_factory.mktemp("pages")
    files = [folder / f"{number}.html" for number, _ in enumerate(pages)]
    for file, text in zip(files, pages.values(), strict=True):
        file.write_text(text)
    script = Path(__file__).with_name("browser.mjs")
    done = subprocess.run(
        [ROOT / ".venv/node", script, modules, browser, *files],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(pages, json.loads(done.stdout), strict=True))


def test_no_error_and_no_request(results: Results) -> None:
    for name, result in results.items():
        assert result["messages"] == [], name
        # Only the page (`file:`) and its empty icon (`data:,`) may be requested.
        others = [url for url in result["requests"] if not url.startswith(("file:", "data:,"))]
        assert others == [], name
        assert len([url for url in result["requests"] if url.startswith("file:")]) == 1, name


def test_axe_finds_no_violation(results: Results) -> None:
    """Axe checks contrast, landmarks, headings, tables, names, and use by keyboard."""
    found = {
        f"{name}, {mode}": violations
        for name, result in results.items()
        for mode, violations in {
            **result["violations"],
            "narrow": result["narrow"]["violations"],
        }.items()
    }
    assert {name: violations for name, violations in found.items() if violations} == {}
    assert len(found) == 9


def test_dark_mode_follows_the_system(results: Results) -> None:
    for result in results.values():
        assert result["light"] == WHITE
        assert result["dark"] == "rgb(13, 17, 23)"


def test_a_keyboard_skips_the_contents_and_sees_its_place(results: Results) -> None:
    for result in results.values():
        skip, main, *others = result["stops"]
        assert skip["text"] == "Skip to the verdict"
        assert main["text"] == "main"
        for stop in (skip, *others):
            assert stop["seen"]
            assert stop["outline"] == "solid"


def test_a_narrow_window_scrolls_only_downwards(results: Results) -> None:
    for name, result in results.items():
        assert result["narrow"]["cut"] == [], name
        assert result["narrow"]["width"] == 360, name
        assert result["wide"] == 1280, name


def test_a_print_is_light_and_as_wide_as_the_paper(results: Results) -> None:
    for name, result in results.items():
        printed = result["print"]
        assert printed["width"] == 718, name
        assert printed["background"] == WHITE
        assert printed["contents"] == "none"
        assert 0 < printed["drawing"] <= 718
    assert 1 <= results["changed"]["pages"] <= 6
