"""A revocation of very many users at once, as another process learns of it."""

from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model

from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import revoke_user, revoke_users
from jwt_auth.revocation.verdict import latest, refused_by_cutoff
from jwt_auth.verification import verify
from tests.support.queries import Queries
from tests.support.selection import THOROUGH

MANY = 2000 if THOROUGH else 300


@pytest.fixture
def crowd(db):
    model = get_user_model()
    model._default_manager.bulk_create(
        model(**{model.USERNAME_FIELD: f"user{number}@example.com"}) for number in range(MANY)
    )
    return list(model._default_manager.all())


def test_many_users_who_are_revoked_elsewhere_are_all_refused_after_three_queries(
    in_memory, ticks, client, make_user, crowd, elsewhere
):
    spared, first = make_user("spared"), make_user("first")
    pair, own = client.tokens(spared), verify(client.tokens(first)["access_token"]).claims
    view = in_memory()
    with elsewhere():
        revoke_user(first)  # so that the view knows a newest event
    assert client.get_me(pair["access_token"]).status_code == 200
    tokens = [replace(own, sub=str(user.pk), sid=f"{number:032x}") for number, user in enumerate(crowd)]

    def refused():
        return sum(refused_by_cutoff(claims, latest(view.state_of(claims).cutoffs)) for claims in tokens)

    assert refused() == 0
    with elsewhere():
        assert revoke_users(crowd).users_revoked == MANY
    assert refused() == 0  # the control: this process got no notification
    ticks.forward(1)
    with Queries() as queries:
        assert refused() == MANY
    assert queries.of("SELECT") == 3
    assert RevocationEvent.objects.count() == len(view._list) == MANY + 1
    assert client.get_me(pair["access_token"]).status_code == 200


def test_a_process_that_begins_after_it_reads_them_all_at_once(in_memory, client, make_user, crowd, elsewhere):
    spared, first = make_user("spared"), make_user("first")
    pair, own = client.tokens(spared), verify(client.tokens(first)["access_token"]).claims
    with elsewhere():
        assert revoke_users(crowd).users_revoked == MANY
    view = in_memory()
    assert client.get_me(pair["access_token"]).status_code == 200
    tokens = [replace(own, sub=str(user.pk), sid=f"{number:032x}") for number, user in enumerate(crowd)]
    assert sum(refused_by_cutoff(claims, latest(view.state_of(claims).cutoffs)) for claims in tokens) == MANY
    assert not refused_by_cutoff(own, latest(view.state_of(own).cutoffs))
