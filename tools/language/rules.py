"""Rules of the language: unusual words, each with a plainer word, and openings of docstrings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.language import texts

WORDS: Final[tuple[tuple[str, str], ...]] = (
    (r"\b(nobody(?!:)|somebody|anybody|everybody|whoever)\b", "name the caller, operator or node"),
    (r"\banew\b", "again"),
    (r"(?<!notify )\bby\s+itself\b", "automatically"),
    (r"\bshall\b", "must, or will"),
    (r"(?<!here )(?<!here   )\b(is|are)\s+no\s(?!\s*longer\b)", "is not a"),
    (r"\bhangs?\s+on\b", "depends on"),
    (r"\b(go|goes|going|went)\s+on\b", "continue"),
    (r"\bmend(s|ed|ing)?\b", "fix"),
    (r"\bHAProxies\b", "HAProxy instances"),
    (r"(?<!Who is )\btold\b", "notified, or the output"),
    (r"\bstands\b(?! for\b)", "is, or remains"),
)
"""Unusual words as regular expressions, each with the words to write instead. In wrapped, indented
lists, several spaces may separate two words, so patterns with two words allow several spaces."""

DEPLOYED: Final = frozenset(
    {
        "stacks/haproxy/desired_state.py",
        "stacks/haproxy/ssm_document.py",
        "stacks/nodes/first_boot_original.py",
    }
)
"""Modules whose texts are part of deployed resources. Their texts are not checked, because a better
text would change deployed resources."""

OPENINGS: Final = re.compile(r"(What|Whether|How|Who)\b")
"""Words with which a docstring must not begin. A docstring begins with a verb, or with the noun of
the thing that the docstring describes."""

REASONS: Final = re.compile(r"#\s*(noqa|type|ruff):.*\b(see|as) above\b")
"""Comment that suppresses a linter rule and gives its reason only as a reference to another
comment."""


def findings(file: Path) -> Iterator[str]:
    """Yield each violation of a rule in a file, with its position."""
    name = file.relative_to(texts.ROOT)
    prose = texts.prose(file)
    for pattern, instead in WORDS if str(name) not in DEPLOYED else ():
        for match in re.finditer(pattern, prose.replace("\n", " ")):
            line = prose.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: '{' '.join(match[0].split())}': write {instead}"
    for line, text in texts.docstrings(file):
        if opening := OPENINGS.match(text):
            advice = "begin with a verb or a noun"
            yield f"{name}:{line}: docstring begins with '{opening[0]}': {advice}"
    for line, text in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if file.suffix == ".py" and REASONS.search(text):
            yield f"{name}:{line}: write the reason why the rule is suppressed"
