"""The exit codes of every command.

| code | means |
|---|---|
| 0 | done, healthy, or the policy holds |
| 1 | a policy is broken, a difference was found, or the environment is degraded |
| 2 | wrong usage, or a configuration with errors; nothing was changed |
| 3 | refused; nothing was changed |
| 4 | failed; the message says what was changed |
| 5 | down (`status`) |
| 6 | AWS did not answer, or denied a call |
| 130 | interrupted |
"""

from typing import Final

DONE: Final = 0
"""Done, healthy, or the policy holds."""
NO: Final = 1
"""A policy is broken, a difference was found, or the environment is degraded."""
USAGE: Final = 2
"""Wrong usage, or a configuration with errors; nothing was changed."""
REFUSED: Final = 3
"""Refused, since the step would do harm; nothing was changed."""
FAILED: Final = 4
"""Failed; the message says what was changed."""
DOWN: Final = 5
"""No client is served (`status`)."""
AWS: Final = 6
"""AWS did not answer, or denied a call."""
INTERRUPTED: Final = 130
"""Ctrl-C, SIGTERM or SIGHUP; the code that shells use."""
