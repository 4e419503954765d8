"""The content of tokens, and the values that are new at each sign-in."""

import json
import random

import pytest
from django.apps import apps

from jwt_auth import sessions
from jwt_auth.keyring.configured import refresh_keys
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import RevocationEvent, UserSession, new_handle
from tests.support import forge
from tests.support.keys import pem


def test_each_token_has_128_bits_of_its_own_as_its_name(client, pair):
    issued = [pair, *(client.refresh(pair["refresh_token"]).json() for _ in range(50))]
    names = {forge.claims_of(each["access_token"])["jti"] for each in issued}
    assert len(names) == len(issued)
    assert {len(forge.unb64(name)) for name in names} == {16}


def test_no_claim_describes_the_person(client, make_user):
    user = make_user(is_staff=True)
    details = {"first_name": "Alicia", "last_name": "Liddell", "email": "private@wonder.example"}
    for name in set(details) & {field.name for field in user._meta.get_fields()} - {user.USERNAME_FIELD}:
        setattr(user, name, details[name])
    user.save()
    claims = forge.claims_of(client.tokens(user)["access_token"])
    assert claims["sub"] == str(user.pk)
    text = json.dumps(claims)
    assert not [word for word in (*details.values(), user.get_username(), "staff", "127.0.0.1") if word in text]


def test_no_strength_of_the_sign_in_is_claimed_that_nobody_checked(client, user, pair):
    refreshed = client.refresh(pair["refresh_token"]).json()
    for claims in map(forge.claims_of, (pair["access_token"], refreshed["access_token"])):
        assert claims["amr"] == ["pwd"]
        assert "acr" not in claims
        assert claims["auth_time"] == UserSession.objects.get().started_at.timestamp()
    assert "amr" not in forge.claims_of(sessions.start(user).access_token)


def test_each_sign_in_begins_a_session_of_its_own(client, user, pair):
    """No earlier session is continued, whatever tokens the client holds already."""
    again = client.bearer(pair["access_token"]).tokens(user, refresh_token=pair["refresh_token"])
    sids = {forge.claims_of(each["access_token"])["sid"] for each in (pair, again)}
    assert len(sids) == len({pair["session"], again["session"]}) == 2
    assert len(set(UserSession.objects.values_list("handle", flat=True))) == 2
    # The other session may belong to another device: it goes on.
    assert not client.is_dead(pair)


def test_what_a_refresh_token_rests_on_is_128_bits_that_no_seed_repeats():
    def seeded():
        random.seed(20260517)
        return [new_handle() for _ in range(100)]

    handles = [*seeded(), *seeded()]
    assert len(set(handles)) == 200
    assert {len(bytes.fromhex(handle)) for handle in handles} == {16}
    # In a UUID of version 4 six of the bits are fixed; here each takes both values.
    bits = [int(handle, 16) for handle in handles]
    assert all({bit >> place & 1 for bit in bits} == {0, 1} for place in range(128))


def stored_text():
    rows = (model._base_manager.values_list() for model in apps.get_models(include_auto_created=True))
    return "\n".join(str(value) for query in rows for row in query for value in row)


@pytest.fixture(params=["HS256", "ES256"])
def signing_key(request, jwt_settings, ec_key):
    """Return the secret number or octets that sign."""
    if request.param == "HS256":
        return own_keys().signing.signing
    jwt_settings(ALGORITHM=request.param, SIGNING_KEY=pem(ec_key))
    return ec_key.private_numbers().private_value.to_bytes(32, "big")


def test_no_key_is_stored(client, user, settings, signing_key):
    pair = client.tokens(user)
    client.refresh(pair["refresh_token"])
    client.send("logout/", {"refresh_token": pair["refresh_token"]})
    assert RevocationEvent.objects.exists()
    text = stored_text()
    assert pair["session"] in text  # the control: the tables were read
    keys = [*refresh_keys(), signing_key]
    spellings = [form for key in keys for form in (key.hex(), forge.b64(key), str(key))]
    assert not [form for form in (*spellings, settings.SECRET_KEY, "PRIVATE KEY") if form in text]
