"""A watch tells that its token is no longer good, whatever has ended it."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from jwt_auth import sessions
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.verification import verify
from jwt_auth.watching import Watch
from tests.support.queries import Queries

pytestmark = pytest.mark.usefixtures("mode")

REVOCATIONS = {
    "token": lambda pair, user: revoke_token(verify(pair.access_token).claims),
    "session": lambda pair, user: revoke_session(pair.session_id),
    "user": lambda pair, user: revoke_user(user),
    "all": lambda pair, user: revoke_all(),
}


@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_revocation_ends_a_watch(pair, user, revoke):
    watch = Watch(pair.access_token)
    watch.check()
    revoke(pair, user)
    with pytest.raises(RevokedTokenError):
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
