"""A session is revoked while a watch of it is renewed: however the two meet, the watch ends."""

import pytest

from jwt_auth import sessions
from jwt_auth.exceptions import JWTAuthError, RevokedTokenError
from jwt_auth.revocation import revoke_session, revoke_token
from jwt_auth.verification import verify
from jwt_auth.watching import Watch
from tests.support.races import rounds

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("mode")]


def tried(action):
    def run():
        try:
            action()
        except JWTAuthError as error:
            return error
        return None

    return run


def test_a_renewal_never_outlives_a_revocation(at_once, user):
    met = set()
    for number in range(rounds(20)):
        pair = sessions.start(user)
        watch = Watch(pair.access_token)
        later = sessions.refresh(pair.refresh_token).access_token
        claims = verify(later).claims

        def revoke(pair=pair, claims=claims, number=number):
            return revoke_session(pair.session_id) if number % 2 else revoke_token(claims)

        refusal, *_ = at_once(tried(lambda watch=watch, later=later: watch.renew(later)), revoke)
        met.add(refusal is None)
        if number % 2 or watch.verified.claims == claims:
            with pytest.raises(RevokedTokenError):
                watch.check()
        else:
            watch.check()  # the token that was denied has not taken the place of the first
