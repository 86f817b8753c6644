"""The error that ends a command of the local AWS."""


class LocalAwsError(Exception):
    """A command of the local AWS failed; the message says why and what to do."""
