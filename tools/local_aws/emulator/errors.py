"""Errors as AWS returns them: a code for programs and a message for people."""

import uuid

_HANDLER_CODES = (
    ("NotFound", ("NotFound", "NoSuch", "DoesNotExist")),
    ("AlreadyExists", ("AlreadyExists", "Duplicate", "Conflict")),
    ("ServiceLimitExceeded", ("Limit", "TooMany")),
)


class AwsError(ValueError):
    """An error that an AWS service returns.

    Converted to text, the error is the reason that CloudFormation shows in its events.

    Attributes:
        code: AWS's error code, such as `InvalidSubnetID.NotFound`.
        message: AWS's message.
        service: name of the service.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, *, service: str = "Ec2", status: int = 400) -> None:
        self.code, self.message, self.service, self.status = code, message, service, status
        super().__init__(message)

    def __str__(self) -> str:
        """Return the reason in the form of CloudFormation's resource handlers."""
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


class InvalidRequestError(ValueError):
    """A request that is refused before a service is called, such as an unknown property."""
