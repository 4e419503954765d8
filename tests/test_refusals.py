"""A refused token names its session and its user for the log, if this server's signature vouches for them."""

import jwt
import pytest

from jwt_auth import sessions
from jwt_auth.exceptions import TokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from jwt_auth.verification import verify
from tests.support.keys import public_pem

pytestmark = pytest.mark.django_db


def refusal(function, *arguments):
    with pytest.raises(TokenError) as caught:
        function(*arguments)
    return caught.value.sid, caught.value.user_id


DEATHS = {
    "revoked": lambda session, clock: revoke_session(session.pk),
    "over": lambda session, clock: UserSession.objects.update(idle_expires_at=session.started_at),
    "expired": lambda session, clock: clock.shift(3600 * 24 * 60),
}


@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize("death", DEATHS)
def test_the_session_of_a_refused_token_is_named(user, clock, jwt_settings, mode, death):
    jwt_settings(REVOCATION=mode)
    pair = sessions.start(user)
    session = UserSession.objects.get()
    DEATHS[death](session, clock)
    named = (session.sid, str(user.pk))
    assert refusal(sessions.refresh, pair.refresh_token) == named
    if death != "over" or mode == "database":  # memory mode does not know the end of a session
        assert refusal(verify, pair.access_token) == named


def test_the_log_says_whose_token_was_refused(client, user, log):
    pair = client.tokens(user)
    session = UserSession.objects.get()
    revoke_session(session.pk)
    client.get_me(pair["access_token"])
    client.refresh(pair["refresh_token"])
    for record in log()[-2:]:
        assert (record.event, record.sid, record.user_id) == ("token_refused", session.sid, str(user.pk))
        assert record.reason == "the session is revoked"
        text = f"Token refused: the session is revoked (session {session.sid}, user {user.pk})."
        assert record.getMessage() == text


def test_a_token_whose_signature_is_wrong_names_nobody(client, user, log):
    """Its claims name a session, but anybody could have written them."""
    pair = client.tokens(user)
    for refuse, raw in ((verify, pair["access_token"]), (sessions.refresh, pair["refresh_token"])):
        assert refusal(refuse, raw[:-8] + "A" * 8) == (None, None)
    client.get_me(pair["access_token"][:-8] + "A" * 8)
    assert (log()[-1].event, log()[-1].sid, log()[-1].user_id) == ("token_refused", "", "")
    assert "session" not in log()[-1].getMessage()


def test_another_issuers_token_names_no_session_of_ours(user, jwt_settings, clock, rsa_key):
    issuer = {"KEYS": public_pem(rsa_key), "ALGORITHMS": ["RS256"], "PRINCIPAL": "claims"}
    jwt_settings(TRUSTED_ISSUERS={"https://other.example.com": issuer})
    sessions.start(user)
    second = int(UserSession.objects.get().started_at.timestamp())
    claims = {"iss": "https://other.example.com", "aud": "jwt_auth", "sub": str(user.pk)}
    claims |= {"sid": UserSession.objects.get().sid, "iat": second - 60, "exp": second + 30}
    raw = jwt.encode(claims, rsa_key, "RS256", headers={"typ": "at+jwt"})
    assert verify(raw).claims.sid == claims["sid"]
    clock.shift(3600)
    assert refusal(verify, raw) == (None, None)


def test_a_sub_that_is_no_key_is_not_taken_for_one(user, jwt_settings, clock):
    """The session's row has the key; without a row it is unknown."""
    jwt_settings(USER_ID_FIELD=user.USERNAME_FIELD)
    raw = sessions.start(user).access_token
    session = UserSession.objects.get()
    revoke_session(session.pk)
    assert refusal(verify, raw) == (session.sid, str(user.pk))
    clock.shift(3600)
    assert refusal(verify, raw) == (session.sid, None)
