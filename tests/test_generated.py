"""What is generated from the model is as the model is now."""

from config import reference


def test_the_reference_is_current() -> None:
    current = reference.FILE.read_text(encoding="utf-8") == reference.text()
    assert current, "docs/configuration.md is stale: run `make reference`"
