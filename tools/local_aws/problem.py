"""Why a command of the local AWS could not do its work."""


class LocalError(Exception):
    """What went wrong and what to do about it, in words for the user."""
