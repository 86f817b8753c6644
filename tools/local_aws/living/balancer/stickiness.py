"""Cookies by which an Application Load Balancer keeps a client on its target.

AWS, Sticky sessions for your Application Load Balancer. The value is opaque to clients. In the
local AWS, the value has the time of its creation and a hash of the target, so that a load balancer
that is started again still knows the cookie.
"""

from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256

from tools.local_aws.living.balancer.configuration import Target, TargetGroup
from tools.local_aws.living.balancer.http import Head

_BY_BALANCER, _BY_APPLICATION = "AWSALB", "AWSALBAPP-0"


@dataclass(frozen=True)
class Stickiness:
    """The stickiness of a target group.

    Attributes:
        cookie: name of the load balancer's cookie.
        application_cookie: name of the application's cookie; the load balancer sets its own cookie
            only when the application sets this cookie. Empty for stickiness by the load balancer's
            cookie alone.
        duration: real seconds for which a cookie is valid.
    """

    cookie: str
    application_cookie: str
    duration: float

    def target(self, request: Head, targets: tuple[Target, ...], now: float) -> Target | None:
        """Return the target that a request's cookie names; None without a valid cookie."""
        for name, value in request.cookies():
            created, _, token = value.partition("-")
            if name == self.cookie and created.isdigit() and now < int(created) + self.duration:
                return next((target for target in targets if _token(target) == token), None)
        return None

    def mark(
        self, response: Head, target: Target, now: float, *, secure: bool, renews: bool
    ) -> None:
        """Add the cookies for a target to a response.

        Args:
            response: the response.
            target: the target.
            now: seconds since the epoch.
            secure: whether the client has used TLS.
            renews: whether the request's cookie has named this target.
        """
        if self.application_cookie and not renews:
            sets = [item.partition("=")[0].strip() for item in response.all("set-cookie")]
            if self.application_cookie not in sets:
                return
        value = f"{int(now)}-{_token(target)}"
        expires = formatdate(now + self.duration, usegmt=True)
        cookie = f"{self.cookie}={value}; Expires={expires}; Path=/"
        response.headers.append(("Set-Cookie", cookie))
        if not self.application_cookie:
            foreign = cookie.replace(self.cookie, f"{self.cookie}CORS", 1) + "; SameSite=None"
            response.headers.append(("Set-Cookie", foreign + ("; Secure" if secure else "")))


def stickiness(group: TargetGroup, pace: float) -> Stickiness | None:
    """Return the stickiness of a target group, None if requests are not sticky."""
    if not group.is_true("stickiness.enabled"):
        return None
    kind = group.attributes.get("stickiness.type", "lb_cookie")
    duration = group.seconds(f"stickiness.{kind}.duration_seconds") / pace
    if kind == "app_cookie":
        name = group.attributes.get("stickiness.app_cookie.cookie_name", "")
        return Stickiness(_BY_APPLICATION, name, duration)
    return Stickiness(_BY_BALANCER, "", duration)


def _token(target: Target) -> str:
    return sha256(repr(target.key).encode()).hexdigest()[:32]
