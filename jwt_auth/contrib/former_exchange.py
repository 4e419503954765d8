"""
The exchange of a former token for tokens of this app: a sign-in without a password.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import router, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.request import Request

from jwt_auth import sessions, throttling
from jwt_auth.exceptions import ExchangeRefusedError, InvalidCredentialsError
from jwt_auth.views import SignIn, SignInView


class FormerTokenExchange(SignInView):
    """
    Base of the exchange views: the client sends the former token in its header, and gets tokens as from `login/`.

    `auth_time` is when the former token was created. If the user is revoked meanwhile, the exchange is refused, because
    the session would have begun before the cutoff. Django's signals of sign-ins are not sent: no password was checked.

    Attributes:
        former_class: authenticates the former token.
    """

    former_class: ClassVar[Any]
    throttle_classes = [throttling.LoginThrottle]
    budget = "former"
    _former: Any = None

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> SignIn:
        try:
            found = self.former_class().authenticate(request)
        except drf.AuthenticationFailed as error:
            raise InvalidCredentialsError(f"the former token is refused: {error.detail}") from error
        if found is None:
            raise InvalidCredentialsError("there is no former token in the header")
        user, self._former = found
        # Whole seconds, as when a cutoff refuses former tokens. The clock that created the token may have been ahead.
        created = min(self._former.created, timezone.now()).replace(microsecond=0)
        return SignIn(user, authenticated_at=created)

    @sensitive_variables()
    def _start(
        self, request: Request, user: Any, account: sessions.Account | None, terms: Mapping[str, Any]
    ) -> sessions.TokenPair:
        pair = super()._start(request, user, account, terms)
        model = type(self._former)
        database = router.db_for_write(model)
        with transaction.atomic(using=database):
            # Locked, so that a sign-out at the same time comes before the exchange, or after it.
            row = model.objects.using(database).select_for_update().filter(pk=self._former.pk).first()
            if row is None:
                raise InvalidCredentialsError("the former token was deleted meanwhile")
            self.use_up(row)
        return pair

    def use_up(self, former: Any) -> None:
        """Use up the former token, whose row is locked. By default nothing: other devices may have the same token."""

    def _refused(self, reason: str) -> InvalidCredentialsError:
        return ExchangeRefusedError(reason)

    def _send_failure(self, request: Request, name: object) -> None:
        """Send no signal: no password was checked."""

    def _finish(self, request: Request, user: Any, pair: sessions.TokenPair) -> None:
        """Send no signal: the user has signed in before."""
