"""The claims of access tokens while SIMPLEJWT is set, whichever endpoint gives them."""

import pytest

from jwt_auth import sessions
from tests.support.forge import claims_of


def started(user, **options):
    """Start a session and return the claims of its access tokens, at its start and after a refresh."""
    pair = sessions.start(user, **options)
    before, later = claims_of(pair.access_token), claims_of(sessions.refresh(pair.refresh_token).access_token)
    times = ("jti", "iat", "exp")
    assert {name: before[name] for name in before if name not in times} == {
        name: later[name] for name in later if name not in times
    }
    return before


@pytest.mark.parametrize("options", [{}, {"USER_ID_CLAIM": "user_id"}])
def test_each_access_token_has_the_claims_of_simplejwt(user, client, jwt_settings, options):
    plain = started(user)
    jwt_settings(SIMPLEJWT=options)
    own = started(user)
    assert set(own) - set(plain) == {"user_id", "token_type"}
    assert (own["user_id"], own["token_type"]) == (str(user.pk), "access")
    assert claims_of(client.tokens(user)["access_token"])["user_id"] == str(user.pk)


def test_none_has_them_without_the_setting(user, jwt_settings):
    jwt_settings(SIMPLEJWT=None)
    assert {"user_id", "token_type", "role"}.isdisjoint(started(user, data={"claims": {"role": "editor"}}))


def test_the_options_rename_them(user, jwt_settings):
    jwt_settings(SIMPLEJWT={"USER_ID_FIELD": user.USERNAME_FIELD, "USER_ID_CLAIM": "login", "TOKEN_TYPE_CLAIM": None})
    claims = started(user)
    assert claims["login"] == user.get_username()
    assert {"user_id", "token_type"}.isdisjoint(claims)


def test_claims_of_the_session(user, jwt_settings):
    jwt_settings(SIMPLEJWT={})
    kept = {"role": "editor", "sub": "0", "scope": "all", "exp": 0, "user_id": "0", "token_type": "refresh"}
    claims = started(user, data={"claims": kept, "other": 1})
    assert (claims["role"], claims["sub"], claims["user_id"]) == ("editor", str(user.pk), str(user.pk))
    assert (claims["token_type"], claims["exp"] > 0) == ("access", True)
    assert {"scope", "other"}.isdisjoint(claims)


@pytest.mark.parametrize("kept", [None, [], "role", 7])
def test_what_is_no_claims(user, jwt_settings, kept):
    jwt_settings(SIMPLEJWT={})
    assert started(user, data={"claims": kept})["user_id"] == str(user.pk)


def test_claims_callable_comes_first(user, jwt_settings):
    jwt_settings(SIMPLEJWT={}, CLAIMS_CALLABLE=lambda user, session: {"user_id": "own", "role": "own"})
    claims = started(user, data={"claims": {"role": "editor", "team": "a"}})
    assert (claims["user_id"], claims["role"], claims["team"]) == ("own", "own", "a")
