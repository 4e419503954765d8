"""Rows that record something irreversible keep it."""

import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.test import override_settings

from jwt_auth import sessions
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.issuers.client_keys import to_key
from jwt_auth.jose import jwk
from jwt_auth.jose.keys import make_key
from jwt_auth.keyring.encryption import encrypt
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent, UserSession, UserTokenCutoff
from jwt_auth.revocation import revoke_session, revoke_user
from tests.support.clocks import NOW


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


def make_client(user, **fields):
    return RegisteredClient.objects.create(user=user, name="reports", **fields)


def test_a_client_gets_a_name_of_its_own_and_shows_it(user):
    one, other = make_client(user), make_client(user)
    assert one.client_id != other.client_id
    assert one.client_id.startswith("client_")
    assert str(one) == f"reports ({one.client_id})"


def test_saving_a_client_loaded_before_its_end_does_not_revive_it(user, make_user):
    stale = make_client(user)
    RegisteredClient.objects.update(is_active=False, tokens_valid_after=NOW)
    stale.name, stale.scopes, stale.requires_binding, stale.user = "renamed", "read", True, make_user("bob")
    stale.save()
    row = RegisteredClient.objects.get()
    assert (row.name, row.scopes, row.requires_binding) == ("renamed", "read", True)
    assert (row.is_active, row.tokens_valid_after, row.user) == (False, NOW, user)
    stale.name = "again"
    stale.save(update_fields=["name", "is_active"])
    row.refresh_from_db()
    assert (row.name, row.is_active) == ("again", False)


def make_public_key(client, key, algorithm="ES256", **fields):
    public = jwk.dump_public(key.public_key())
    kid = make_key(key.public_key(), algorithm).kid
    return ClientKey.objects.create(
        client=client, kid=kid, algorithm=algorithm, public_jwk=json.dumps(public), **fields
    )


def test_a_public_key_is_read_from_its_row(user, ec_key):
    row = make_public_key(make_client(user), ec_key)
    key = to_key(row)
    assert (key.kid, key.algorithm, key.signing) == (row.kid, "ES256", None)
    assert key.verifying.public_numbers() == ec_key.public_key().public_numbers()
    assert str(row) == f"ES256 {row.kid}"


def test_a_secret_is_read_from_its_row(user):
    secret = b"s" * 43
    row = ClientKey.objects.create(
        client=make_client(user), kid=make_key(secret, "HS256").kid, algorithm="HS256", encrypted_secret=encrypt(secret)
    )
    assert (to_key(row).kid, to_key(row).verifying) == (row.kid, secret)


def test_a_key_ends_when_it_expires_or_is_revoked(user, ec_key):
    key = make_public_key(make_client(user), ec_key)
    assert key.is_usable(NOW)
    key.expires_at = NOW
    assert key.is_usable(NOW - timedelta(microseconds=1))
    assert not key.is_usable(NOW)
    key.expires_at, key.revoked_at = None, NOW
    assert not key.is_usable(NOW)


def test_a_key_can_not_be_changed(user, ec_key):
    key = make_public_key(make_client(user), ec_key)
    key.expires_at = None
    with pytest.raises(TypeError):
        key.save()


def test_a_client_has_a_key_once_and_another_client_may_have_it_too(user, ec_key):
    client = make_client(user)
    make_public_key(client, ec_key)
    make_public_key(make_client(user), ec_key)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_public_key(client, ec_key)


@pytest.mark.parametrize("fields", [{}, {"public_jwk": "{}", "encrypted_secret": "x"}])
def test_a_key_is_a_public_key_or_a_secret(user, fields):
    client = make_client(user)
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientKey.objects.create(client=client, kid="kid", algorithm="HS256", **fields)


@pytest.mark.parametrize("field", ["pk", "session_key"])
def test_the_key_of_a_user_is_that_of_the_user_model_in_force(user, field):
    assert (key_of(user), user_id_of(user)) == (user.pk, str(user.pk))
    with override_settings(AUTH_USER_MODEL="sessions.Session", JWT_AUTH={"USER_ID_FIELD": field}):
        other = Session(session_key="abc")
        assert (key_of(other), user_id_of(other)) == ("abc", "abc")
    assert (key_of(user), user_id_of(user)) == (user.pk, str(user.pk))
