"""A short hash of settings, for names that must change when the settings do."""

import hashlib
import json


def fingerprint(*settings: object) -> str:
    """Eight hexadecimal digits, the same on every machine and in every run."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
