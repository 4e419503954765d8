"""The token classes, when code of the project reads a token of simplejwt with them."""

import pytest

from jwt_auth.contrib.simplejwt.exceptions import TokenError
from jwt_auth.contrib.simplejwt.tokens import RefreshToken
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.sessions import refresh
from jwt_auth.verification import verify
from tests.support.former import former_pair, former_sliding, rolled_back_refresh


@pytest.fixture
def raw(user, clock):
    return former_pair(user)["refresh"]


def test_reading_a_refresh_token_does_not_use_it_up(user, raw):
    token = RefreshToken(raw)
    assert token["user_id"] == str(user.pk)
    assert token["token_type"] == "refresh"
    assert not UserSession.objects.exists()
    assert refresh(raw)


def test_a_sign_out_view_of_the_project_ends_it(user, raw):
    other = former_pair(user)["refresh"]
    session, is_new = RefreshToken(raw).blacklist()
    assert is_new
    assert session.revoked_at is not None
    with pytest.raises(RevokedTokenError):
        refresh(raw)
    with pytest.raises(TokenError, match="Token is blacklisted"):
        RefreshToken(raw)
    assert not rolled_back_refresh(raw)
    assert refresh(other)


def test_a_refresh_view_of_the_project_exchanges_it(user, raw):
    token = RefreshToken(raw)
    access = str(token.access_token)
    assert verify(access).user == user
    assert refresh(str(token)).session_id == UserSession.objects.get().pk
    with pytest.raises(TokenError, match="Token is blacklisted"):
        RefreshToken(raw)


def test_its_claims_can_be_changed(raw):
    token = RefreshToken(raw)
    token["plan"] = "pro"
    assert verify(refresh(str(token)).access_token).claims.all["plan"] == "pro"
    assert UserSession.objects.get().data["claims"]["plan"] == "pro"


def test_another_type_is_refused(user, raw):
    with pytest.raises(TokenError, match="Token has wrong type"):
        RefreshToken(former_pair(user)["access"])
    with pytest.raises(TokenError):
        RefreshToken(former_sliding(user))
