"""A watch tells that its token is no longer good, whatever has ended it."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from jwt_auth import sessions, signing_keys
from jwt_auth.exceptions import InvalidTokenError, RevokedTokenError, UntrustedIssuerError
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.verification import verify
from jwt_auth.watching import Watch

pytestmark = pytest.mark.usefixtures("mode")

REVOCATIONS = {
    "token": lambda pair, user: revoke_token(verify(pair.access_token).claims),
    "session": lambda pair, user: revoke_session(pair.session_id),
    "user": lambda pair, user: revoke_user(user),
    "all": lambda pair, user: revoke_all(),
}


def change_password(pair, user):
    user.set_password("another good password")
    user.save()


def deactivate(pair, user):
    user.is_active = False
    user.save()


ENDS = {
    **REVOCATIONS,
    "sign-out": lambda pair, user: sessions.end(pair.access_token),
    "password": change_password,
    "inactive": deactivate,
    "deleted": lambda pair, user: user.delete(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_whatever_ends_a_token_ends_its_watch(pair, user, make_user, end):
    watch, other = Watch(pair.access_token), Watch(sessions.start(make_user("bob")).access_token)
    watch.check()
    end(pair, user)
    for _ in range(2):  # each time
        with pytest.raises(RevokedTokenError):
            watch.check()
    if end is not REVOCATIONS["all"]:
        other.check()


def test_the_token_is_verified_at_first(pair):
    with pytest.raises(InvalidTokenError):
        Watch(pair.access_token[:-4] + "AAAA")
    with pytest.raises(ValueError, match="issuers is one of"):
        Watch(pair.access_token, issuers="nobody")
    revoke_session(pair.session_id)
    with pytest.raises(RevokedTokenError):
        Watch(pair.access_token)


def test_the_text_of_the_token_is_not_kept(pair):
    watch = Watch(pair.access_token)
    assert watch.verified.claims == verify(pair.access_token).claims
    assert watch._watched.token.named.raw == ""
    assert not watch._watched.token.named.signature


def test_the_end_of_a_key_ends_the_watches_of_its_tokens(jwt_settings, user):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    key = signing_keys.create(activate=True)
    watch = Watch(sessions.start(user).access_token)
    signing_keys.revoke(key.kid, emergency=True)
    with pytest.raises((RevokedTokenError, InvalidTokenError)) as refusal:
        watch.check()
    assert refusal.value.code == "token_revoked"


def test_other_settings_count_at_once(jwt_settings, pair):
    watch = Watch(pair.access_token)
    jwt_settings(ISSUER="https://other.example")
    with pytest.raises(UntrustedIssuerError):
        watch.check()


def test_another_key_of_the_same_name_has_not_signed_the_token(jwt_settings, pair, ec_settings, monkeypatch):
    watch = Watch(pair.access_token)
    other = type(watch._watched.token.key)(
        kid=watch._watched.token.key.kid, algorithm="HS256", verifying=b"another", signing=None
    )
    watch._watched.token = watch._watched.token._replace(key=other)
    with pytest.raises(InvalidTokenError):
        watch.check()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_holder_that_waits_is_told(run, pair, user, make_user, revoke):
    other = sessions.start(make_user("bob"))

    async def hold():
        watch, others = await Watch.averify(pair.access_token), await Watch.averify(other.access_token)
        waiting = asyncio.ensure_future(watch.ended())
        ending = others.ending()
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await sync_to_async(revoke)(pair, user)
        reason = await waiting
        await asyncio.sleep(0.1)
        return reason, ending.done()

    reason, is_other_ended = run(hold())
    assert isinstance(reason, RevokedTokenError)
    assert is_other_ended == (revoke is REVOCATIONS["all"])
