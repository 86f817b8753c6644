"""The exit codes of every command.

| code | means |
|---|---|
| 0 | done, healthy, or it holds |
| 1 | no: a policy is broken, something differs, or it is degraded |
| 2 | wrong usage, or a configuration that cannot be used; nothing was changed |
| 3 | refused; nothing was changed |
| 4 | failed; the message says what stands |
| 5 | down (`status`) |
| 6 | AWS does not answer, or does not permit |
| 130 | interrupted |
"""

from typing import Final

DONE: Final = 0
"""Done, healthy, or it holds."""
NO: Final = 1
"""A policy is broken, something differs, or it is degraded."""
USAGE: Final = 2
"""Wrong usage, or a configuration that cannot be used; nothing was changed."""
REFUSED: Final = 3
"""Refused because it would do harm; nothing was changed."""
FAILED: Final = 4
"""Failed; the message says what stands."""
DOWN: Final = 5
"""Nobody is served (`status`)."""
AWS: Final = 6
"""AWS does not answer, or does not permit."""
INTERRUPTED: Final = 130
"""Ctrl-C, SIGTERM or SIGHUP, as shells say it."""
