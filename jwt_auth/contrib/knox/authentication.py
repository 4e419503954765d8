"""
The authentication class for tokens of knox, which a project lists while it moves.
"""

from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.settings import knox_settings

from jwt_auth.conf import get_settings
from jwt_auth.contrib.former_tokens import FormerTokenMixin

__all__ = ["FormerKnoxAuthentication"]


class FormerKnoxAuthentication(FormerTokenMixin, TokenAuthentication):  # type: ignore[misc]  # a package without types
    """Authenticates `Authorization: Token <token>` until FORMER_TOKENS["knox"]."""

    kind = "knox"

    def renew_token(self, auth_token: Any) -> None:
        """
        Renew a token with AUTO_REFRESH, as knox does, but never one that an exchange has used up.

        An exchange leaves ROTATION_GRACE_PERIOD at most. The row is written only if its expiry is the one that was
        read: knox writes in any case, which would undo an exchange at the same moment.
        """
        now, ends, longest = timezone.now(), auth_token.expiry, knox_settings.AUTO_REFRESH_MAX_TTL
        if ends - now <= get_settings().ROTATION_GRACE_PERIOD or knox_settings.TOKEN_TTL is None:
            return
        new = now + knox_settings.TOKEN_TTL
        if longest is not None:
            new = min(new, auth_token.created + longest)
        if (new - ends).total_seconds() > knox_settings.MIN_REFRESH_INTERVAL:
            type(auth_token).objects.filter(pk=auth_token.pk, expiry=ends).update(expiry=new)
