"""`jwt_migrate simplejwt --check` while refresh tokens of simplejwt live."""

from datetime import datetime, timedelta, timezone

import pytest
from django.core.management import CommandError
from django.utils import timezone as django_timezone

from jwt_auth.contrib.simplejwt.moving.closing import reasons_to_wait
from jwt_auth.contrib.simplejwt.moving.project import read
from jwt_auth.sessions import refresh
from tests.support.commands import run
from tests.support.former import former_pair


@pytest.fixture
def reasons(tmp_path):
    """Return the reasons of a project without code."""
    return lambda now: reasons_to_wait(read(tmp_path, now.date()), now)


def test_it_counts_the_tokens_that_were_not_exchanged(make_user, reasons):
    alice, bob = make_user("alice"), make_user("bob")
    former_pair(alice)
    pair, other = former_pair(alice), former_pair(bob)
    now = django_timezone.now()
    [window, tokens] = reasons(now)
    assert window == "Former tokens are accepted until 2100-01-02 00:00 UTC (ACCEPT_UNTIL)."
    end = f"{now + timedelta(days=14):%Y-%m-%d}"
    assert tokens.startswith("3 refresh tokens of 2 users were not exchanged yet; the last one expires at " + end)
    refresh(pair["refresh"])
    refresh(other["refresh"])
    assert reasons(now)[1].startswith("1 refresh token of 1 user was not exchanged yet; it expires at ")
    assert reasons(now + timedelta(days=15)) == [window]
    assert reasons(datetime(2100, 1, 2, tzinfo=timezone.utc)) == []


def test_the_command_says_so(user, tmp_path):
    former_pair(user)
    with pytest.raises(CommandError, match="simplejwt can't be removed yet"):
        run("jwt_migrate", "simplejwt", "--check", f"--root={tmp_path}")
