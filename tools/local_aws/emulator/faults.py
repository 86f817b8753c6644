"""Errors as AWS gives them: a code that programs read, and a sentence for people."""

import uuid

_HANDLER_CODES = (
    ("NotFound", ("NotFound", "NoSuch", "DoesNotExist")),
    ("AlreadyExists", ("AlreadyExists", "Duplicate", "Conflict")),
    ("ServiceLimitExceeded", ("Limit", "TooMany")),
)


class FaultError(ValueError):
    """What an AWS service answers instead of doing what it was asked.

    As text it is what CloudFormation shows in its events.

    Attributes:
        code: AWS's error code, such as `InvalidSubnetID.NotFound`.
        message: AWS's sentence.
        service: the service that says it.
        status: its HTTP status.
    """

    def __init__(self, code: str, message: str, *, service: str = "Ec2", status: int = 400) -> None:
        self.code, self.message, self.service, self.status = code, message, service, status
        super().__init__(message)

    def __str__(self) -> str:
        """The sentence in the words of CloudFormation's resource handlers."""
        return (
            f'Resource handler returned message: "{self.message} (Service: {self.service}, '
            f"Status Code: {self.status}, Error Code: {self.code}, Request ID: {uuid.uuid4()})"
            f'" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: {self._handler_code})'
        )

    @property
    def _handler_code(self) -> str:
        for code, hints in _HANDLER_CODES:
            if any(hint in self.code for hint in hints):
                return code
        return "InvalidRequest"


class MalformedError(ValueError):
    """Properties that the type's published schema does not allow: nothing is asked of a service."""
