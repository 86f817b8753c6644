"""The generated files match the model."""

from denodo_ha.environment.loading import reference_page


def test_the_reference_is_current() -> None:
    current = reference_page.FILE.read_text(encoding="utf-8") == reference_page.text()
    assert current, "docs/reference/configuration.md is stale: run `make reference`"
