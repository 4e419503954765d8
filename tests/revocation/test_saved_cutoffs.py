"""A cutoff that the project saves itself counts like a revocation, however revocations are looked up."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from jwt_auth.models import RevocationEvent, UserTokenCutoff

FIELD = django_settings.JWT_AUTH.get("USER_CUTOFF_FIELD")
on_the_user = pytest.mark.skipif(not FIELD, reason="the user model has no cutoff of its own")
in_a_table = pytest.mark.skipif(bool(FIELD), reason="the user model has the cutoff")


@pytest.fixture(params=["database", "memory"], autouse=True)
def revocation(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)


def save_on_user(user, moment, **options):
    setattr(user, FIELD, moment)
    user.save(**options)


@on_the_user
@pytest.mark.parametrize("only", [False, True])
def test_a_cutoff_that_is_saved_with_the_user_ends_the_sessions_before_it(client, user, make_user, only):
    pair, bob = client.tokens(user), client.tokens(make_user("bob"))
    save_on_user(user, timezone.now(), **({"update_fields": [FIELD]} if only else {}))
    assert client.is_dead(pair)
    assert not client.is_dead(bob)
    assert not client.is_dead(client.tokens(user))
    [event] = RevocationEvent.objects.all()
    assert (event.scope, event.reason) == ("user", "cutoff saved")


@on_the_user
def test_a_cutoff_that_does_not_move_is_no_revocation(client, user):
    save_on_user(user, timezone.now())
    pair = client.tokens(user)
    user.save()
    save_on_user(user, timezone.now() - timedelta(days=1))
    save_on_user(user, None)
    assert RevocationEvent.objects.count() == 1
    assert not client.is_dead(pair)


@in_a_table
def test_a_cutoff_that_is_saved_in_the_table_ends_the_sessions_before_it(client, user):
    first = client.tokens(user)
    row = UserTokenCutoff.objects.create(user=user, tokens_valid_after=timezone.now())
    assert client.is_dead(first)
    second = client.tokens(user)
    row.tokens_valid_after = timezone.now()
    row.save()
    assert client.is_dead(second)
    assert not client.is_dead(client.tokens(user))


@in_a_table
def test_an_empty_cutoff_is_no_revocation(client, user):
    pair = client.tokens(user)
    UserTokenCutoff.objects.create(user=user)
    assert not client.is_dead(pair)
    assert not RevocationEvent.objects.exists()
