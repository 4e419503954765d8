"""
The hour that comes twice, when clocks go back: revocations in it are as good as in any other.

DATABASES["..."]["TIME_ZONE"] is the only setting of time zones that matters, and check E027 refuses it.
"""

from datetime import datetime, timezone as dt_timezone

import pytest
import time_machine
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.administration.client_forms import KeyForm
from jwt_auth.exceptions import TokenError
from jwt_auth.revocation import revoke_all, revoke_user
from jwt_auth.verification import verify

pytestmark = pytest.mark.django_db

ZONE = "Europe/Berlin"


def in_that_night(hour, minute, second=0):
    """Return the moment in UTC. In Berlin, 01:00 is when 03:00 becomes 02:00."""
    return datetime(2026, 10, 25, hour, minute, second, tzinfo=dt_timezone.utc)


def is_refused(action, token):
    try:
        action(token)
    except TokenError:
        return True
    return False


@pytest.fixture(params=["setting", "request"])
def local_times(request, settings):
    """A project in Berlin: by its setting, or by what a middleware activates for a request."""
    if request.param == "setting":
        settings.TIME_ZONE = ZONE
        yield
    else:
        with timezone.override(ZONE):
            yield


@pytest.mark.parametrize("revoke", [revoke_all, revoke_user], ids=["everybody", "user"])
@pytest.mark.parametrize("at", [None, in_that_night(1, 3)], ids=["now", "at"])
def test_what_began_at_a_later_wall_time_is_revoked(local_times, user, revoke, at):
    """The session began at 02:59:30, and the revocation is at 02:03, when the hour comes for the second time."""
    with time_machine.travel(in_that_night(0, 59, 30), tick=False) as clock:
        pair = sessions.start(user)
        clock.move_to(in_that_night(1, 3))
        assert not is_refused(verify, pair.access_token)
        at = at and timezone.localtime(at)
        revoke(*([user] if revoke is revoke_user else []), at=at)
        clock.move_to(in_that_night(1, 3, 10))
        assert is_refused(verify, pair.access_token)
        assert is_refused(sessions.refresh, pair.refresh_token)
        later = sessions.start(user)
        assert not is_refused(verify, later.access_token)
        assert not is_refused(sessions.refresh, later.refresh_token)


@pytest.mark.parametrize(("hour", "expected"), [("01:30", True), ("02:30", False), ("04:30", True)])
def test_a_form_accepts_no_time_that_comes_twice(local_times, hour, expected):
    form = KeyForm({"kind": "secret", "expires_at": f"2026-10-25T{hour}"})
    assert form.is_valid() is expected
    assert expected or form.has_error("expires_at", "ambiguous_timezone")
