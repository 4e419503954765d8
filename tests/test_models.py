"""Rows that say something irreversible keep saying it."""

import pytest

from jwt_auth import sessions
from jwt_auth.models import RevocationEvent, UserSession, UserTokenCutoff
from jwt_auth.revocation import revoke_session, revoke_user


def test_saving_a_session_loaded_before_its_revocation_does_not_revive_it(client, user):
    pair = client.tokens(user)
    stale = UserSession.objects.get()
    revoke_session(stale.pk, reason="lost")
    stale.label = "kitchen"
    stale.save()
    assert client.is_dead(pair)
    session = UserSession.objects.get()
    assert (session.label, session.revoked_reason) == ("kitchen", "lost")


def test_saving_a_session_loaded_before_a_rotation_does_not_turn_it_back(client, user, clock):
    pair = client.tokens(user)
    stale = UserSession.objects.get()
    fresh = client.refresh(pair["refresh_token"]).json()
    stale.save(update_fields=["label", "counter"])
    clock.shift(60)
    assert client.refresh(fresh["refresh_token"]).status_code == 200


def test_a_session_is_named_after_its_label_or_its_transport(user):
    pair = sessions.start(user, label="laptop")
    assert str(UserSession.objects.get()) == f"laptop ({pair.session_id})"
    assert str(UserSession(label="", pk=pair.session_id)) == f"Authorization header ({pair.session_id})"


def test_an_event_can_not_be_changed(user):
    revoke_user(user, reason="first")
    event = RevocationEvent.objects.get()
    event.reason = "second"
    with pytest.raises(TypeError):
        event.save()
    assert RevocationEvent.objects.get().reason == "first"


def test_a_cutoff_shows_whose_and_when(user):
    cutoff = UserTokenCutoff.objects.create(user=user)
    assert str(cutoff) == f"{user.pk}: None"
