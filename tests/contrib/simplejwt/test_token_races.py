"""The token classes of simplejwt while others change the same session."""

import pytest

from jwt_auth import sessions
from jwt_auth.contrib.simplejwt.exceptions import TokenError
from jwt_auth.contrib.simplejwt.tokens import AccessToken, RefreshToken
from jwt_auth.models import UserSession

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings):
    jwt_settings(SIMPLEJWT={})


def test_claims_are_never_written_after_the_end(user, at_once):
    """If both happen at once, the claims are written before the end, or are refused."""
    for _ in range(10):
        raw = str(RefreshToken.for_user(user))
        token = RefreshToken(raw)
        token["role"] = "editor"

        def write(token=token):
            try:
                return str(token.access_token)
            except TokenError:
                return None

        access, _sid = at_once(write, lambda raw=raw: sessions.end(raw))
        session = UserSession.objects.order_by("created_at").last()
        assert session.revoked_at is not None
        assert access is None or session.data == {"claims": {"role": "editor"}}
        if access is not None:
            with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
                AccessToken(access)


def test_claims_and_a_rotation_at_once(user, at_once):
    """Neither loses what the other has written."""
    for number in range(10):
        raw = str(RefreshToken.for_user(user))
        token = RefreshToken(raw)
        token["number"] = number
        _access, pair = at_once(lambda token=token: str(token.access_token), lambda raw=raw: sessions.refresh(raw))
        session = UserSession.objects.order_by("created_at").last()
        assert (session.counter, session.data) == (1, {"claims": {"number": number}})
        assert RefreshToken(pair.refresh_token)["number"] == number
