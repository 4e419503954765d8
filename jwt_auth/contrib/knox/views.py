"""
The exchange of a token of knox, and the sign-out with one.
"""

from typing import Any

from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import knox_settings

from jwt_auth.conf import get_settings
from jwt_auth.contrib.former_exchange import FormerTokenExchange
from jwt_auth.contrib.former_tokens import FormerLogoutMixin
from jwt_auth.contrib.knox.authentication import FormerKnoxAuthentication
from jwt_auth.exceptions import InvalidCredentialsError
from jwt_auth.views.users import LogoutView

__all__ = ["KnoxExchangeView", "KnoxLogoutView"]


class KnoxExchangeView(FormerTokenExchange):
    """
    Exchange the token in the header for tokens of this app, and use it up, because each device has its own.

    It expires after ROTATION_GRACE_PERIOD, during which a refresh may also be repeated. Until then, requests in flight
    succeed, and so does an exchange by another tab, or a repeated one whose answer was lost: each begins a session of
    its own.
    """

    former_class = FormerKnoxAuthentication

    def use_up(self, former: Any) -> None:
        now, end = timezone.now(), former.expiry
        if end is not None and end <= now:
            raise InvalidCredentialsError("the former token was used up meanwhile")
        grace = get_settings().ROTATION_GRACE_PERIOD
        last = now + grace
        if not grace:
            former.delete()
        elif end is None or end > last:
            former.expiry = last
            former.save(update_fields=["expiry"])


class KnoxLogoutView(FormerLogoutMixin, LogoutView):
    """`logout/` that also accepts a former token, and deletes it."""

    def keyword(self) -> str:
        return str(knox_settings.AUTH_HEADER_PREFIX)

    def rows_of(self, raw: str) -> Any:
        return get_token_model().objects.filter(digest=hash_token(raw))
