"""The registration of clients, and the life of their keys."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Permission
from django.utils import timezone

from jwt_auth import clients, registrars
from jwt_auth.claims import LATEST
from jwt_auth.exceptions import RegistrationError
from jwt_auth.issuers.client_keys import to_key
from jwt_auth.jose import jwk
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import disable_client, revoke_client_key
from jwt_auth.signals import client_changed, client_key_added, client_registered
from tests.support.keys import pem, private_jwk, public_pem

DAY = timedelta(days=1)


@pytest.fixture
def reports(user):
    """A client without keys."""
    return clients.register("reports", user, "read write")


def events():
    return list(RevocationEvent.objects.order_by("id").values_list("scope", "subject", "cutoff", "reason"))


# Registering


def test_a_kid_that_a_shell_would_take_for_an_option_is_not_given_to_a_secret(reports, monkeypatch):
    real, made = clients.make_key, []

    def make(secret, algorithm):
        key = real(secret, algorithm)
        made.append(replace(key, kid=f"-{key.kid}") if len(made) < 2 else key)
        return made[-1]

    monkeypatch.setattr(clients, "make_key", make)
    new = clients.add_secret(reports)
    assert new.key.kid == made[-1].kid
    assert len(made) > 2
    assert to_key(new.key).verifying == new.secret.encode()


def test_a_client_acts_as_a_user_within_scopes(user, reports):
    row = RegisteredClient.objects.get()
    assert row == reports
    assert (row.name, row.user, row.scopes, row.requires_binding) == ("reports", user, "read write", False)
    assert (row.is_active, row.tokens_valid_after, row.last_used_at) == (True, None, None)


@pytest.mark.parametrize(
    ("given", "kept"), [("", ""), ("  ", ""), ("b a", "b a"), (" a  b a ", "a b"), ("a:b/c.*", "a:b/c.*")]
)
def test_scopes_are_kept_once_each_in_the_given_order(user, given, kept):
    assert clients.register("reports", user, given).scopes == kept


MANY = " ".join(f"scope-{number}" for number in range(120))


@pytest.mark.parametrize("scopes", ['a"b', "a\\b", "a\tb", "a\nb", "é", "a\x00", "a" * 256, MANY], ids=range(8))
def test_what_can_not_stand_in_a_scope_is_refused(user, scopes):
    with pytest.raises(RegistrationError, match="scopes"):
        clients.register("reports", user, scopes)


def test_a_name_is_stripped(user):
    assert clients.register("  Wöchentliche Berichte ", user).name == "Wöchentliche Berichte"


@pytest.mark.parametrize("name", ["علی\u200cرضا", "\U0001f469\u200d\U0001f4bb", "jean\u00adluc"], ids=range(3))
def test_a_name_may_have_joiners(user, name):
    assert clients.register(name, user).name == name


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[2J", "a\x00", "\u202egnp.exe", "a" * 101], ids=range(7))
def test_what_no_terminal_should_show_is_no_name(user, name):
    with pytest.raises(RegistrationError, match="name"):
        clients.register(name, user)
    assert not RegisteredClient.objects.exists()


def test_nobody_acts_as_an_inactive_user(make_user):
    with pytest.raises(RegistrationError, match="inactive"):
        clients.register("reports", make_user(is_active=False))


def test_a_change_is_announced_to_those_who_hold_the_row_in_memory(user, reports):
    changed = clients.change(reports, name=" Reports ", scopes="read", requires_binding=True, actor=user)
    assert (changed.name, changed.scopes, changed.requires_binding) == ("Reports", "read", True)
    assert RegisteredClient.objects.get().scopes == "read"
    assert events() == [("client", reports.client_id, None, "changed: name, scopes, requires_binding")]
    assert RevocationEvent.objects.get().actor == str(user.pk)


def test_what_is_as_it_was_is_no_change(reports):
    clients.change(reports, name="reports", scopes="read  write", requires_binding=False)
    clients.change(reports)
    assert events() == []


def test_a_bad_value_changes_nothing(reports):
    for change in ({"name": ""}, {"scopes": '"'}):
        with pytest.raises(RegistrationError):
            clients.change(reports, requires_binding=True, **change)
    assert not RegisteredClient.objects.get().requires_binding


def test_a_client_that_is_gone_can_not_be_changed(reports):
    RegisteredClient.objects.all().delete()
    with pytest.raises(RegistrationError, match="no longer exists"):
        clients.change(reports, name="other")


# Keys


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 43), ("HS384", 64), ("HS512", 86)])
def test_a_secret_is_made_and_its_text_is_the_key(reports, algorithm, size):
    new = clients.add_secret(reports, algorithm)
    assert len(new.secret) == size
    row = ClientKey.objects.get()
    assert (row, row.client, row.algorithm, row.public_jwk) == (new.key, reports, algorithm, "")
    assert to_key(row).verifying == new.secret.encode()
    assert to_key(row).kid == row.kid
    assert new.secret not in row.encrypted_secret


def test_each_secret_is_another(reports):
    assert clients.add_secret(reports).secret != clients.add_secret(reports).secret
    assert reports.keys.count() == 2


def test_the_value_that_holds_a_new_secret_does_not_show_it(reports):
    new = clients.add_secret(reports)
    assert new.secret
    assert new.secret not in f"{new!r}{new}{new.key!r}{new.key}{vars(new.key)}"


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA", "none", "", "hs256"])
def test_only_hmac_has_secrets(reports, algorithm):
    with pytest.raises(RegistrationError, match="HS256"):
        clients.add_secret(reports, algorithm)


@pytest.fixture(params=["RS256", "ES256", "EdDSA"])
def pair(request, rsa_key, ec_key, ed_key):
    """Return a private key and its usual algorithm."""
    return {"RS256": rsa_key, "ES256": ec_key, "EdDSA": ed_key}[request.param], request.param


def public_jwk(key, **members):
    return {**jwk.dump_public(key.public_key()), **members}


@pytest.mark.parametrize("form", ["pem", "jwk", "text"])
def test_a_public_key_is_kept_as_it_is_public(reports, pair, form):
    key, algorithm = pair
    sources = {"pem": public_pem(key), "jwk": public_jwk(key), "text": f" {json.dumps(public_jwk(key))}\n"}
    new = clients.add_public_key(reports, sources[form])
    assert new.secret is None
    row = ClientKey.objects.get()
    assert (row.algorithm, row.encrypted_secret) == (algorithm, "")
    assert row.parsed_jwk == public_jwk(key)
    assert row.kid == jwk.thumbprint(public_jwk(key))
    assert to_key(row).signing is None


def test_the_algorithm_is_the_one_that_is_said_or_the_keys_own(reports, user, rsa_key):
    said = clients.add_public_key(reports, public_pem(rsa_key), "PS512")
    own = clients.add_public_key(clients.register("other", user), public_jwk(rsa_key, alg="PS256", use="sig"))
    assert (said.key.algorithm, own.key.algorithm) == ("PS512", "PS256")


@pytest.mark.parametrize("form", ["pem", "jwk", "text"])
def test_a_private_key_is_refused_and_not_quoted(reports, pair, form):
    key, _ = pair
    document = private_jwk(key)
    sources = {"pem": pem(key), "jwk": document, "text": json.dumps(document)}
    with pytest.raises(RegistrationError, match="private") as caught:
        clients.add_public_key(reports, sources[form])
    error = caught.value
    assert error.__suppress_context__
    assert document["d"] not in str(error)
    assert not ClientKey.objects.exists()


def weak_rsa_key():
    return rsa.generate_private_key(65537, 1024)


UNFIT = {
    "a secret": lambda: {"kty": "oct", "k": base64url_encode(bytes(32))},
    "nothing": lambda: "",
    "neither": lambda: "AAAA",
    "not JSON": lambda: "{",
    "no key": dict,
    "an unknown kind": lambda: {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "a curve that is no text": lambda: {"kty": "EC", "crv": ["P-256"], "x": "AAAA", "y": "AAAA"},
    "a certificate": lambda: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "a weak key": lambda: public_pem(weak_rsa_key()),
    "a key that costs": lambda: {"kty": "RSA", "e": "AQAB", "n": base64url_encode(b"\xff" * 2048)},
    "text that is no Unicode": lambda: '{"kty": "\udc00"}',
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_no_good_public_key_is_refused(reports, name):
    with pytest.raises(RegistrationError, match="public key can't be used"):
        clients.add_public_key(reports, UNFIT[name]())
    assert not ClientKey.objects.exists()


@pytest.mark.parametrize("algorithm", ["ES256", "HS256", "none", "EdDSA"])
def test_an_algorithm_of_another_kind_is_refused(reports, rsa_key, algorithm):
    with pytest.raises(RegistrationError):
        clients.add_public_key(reports, public_pem(rsa_key), algorithm)


@pytest.mark.parametrize(("alg", "algorithm"), [("RS256", "PS256"), ("HS256", "PS256"), (["RS256"], None), ("", None)])
def test_a_jwk_for_another_algorithm_is_refused(reports, rsa_key, alg, algorithm):
    with pytest.raises(RegistrationError, match="alg"):
        clients.add_public_key(reports, public_jwk(rsa_key, alg=alg), algorithm)


def test_a_key_that_was_revoked_does_not_come_back(reports, ec_key):
    key = clients.add_public_key(reports, public_pem(ec_key)).key
    with pytest.raises(RegistrationError, match="this key"):
        clients.add_public_key(reports, public_pem(ec_key))
    revoke_client_key(key)
    with pytest.raises(RegistrationError, match="added again"):
        clients.add_public_key(reports, public_pem(ec_key))


def test_a_key_may_have_an_end(reports, clock):
    now = timezone.now()
    key = clients.add_secret(reports, expires_at=now + DAY).key
    assert key.is_usable(now)
    assert not key.is_usable(now + DAY)
    for end in (now, LATEST):
        with pytest.raises(RegistrationError, match="has passed, or is too far away"):
            clients.add_secret(reports, expires_at=end)
    clients.add_secret(reports, expires_at=LATEST - DAY)


def test_for_a_user_who_was_just_deleted_there_is_no_client(leaver):
    with pytest.raises(RegistrationError, match="no longer exists"):
        clients.register("reports", leaver)
    assert not RegisteredClient.objects.exists()


def test_a_client_that_was_disabled_gets_no_key(reports):
    key = clients.add_secret(reports).key
    disable_client(reports)
    with pytest.raises(RegistrationError, match="disabled"):
        clients.add_secret(reports)
    with pytest.raises(RegistrationError, match="disabled"):
        clients.rotate(key)
    assert reports.keys.get().rotated_at is None


# Rotation


def test_both_keys_are_good_until_the_overlap_is_over(reports, clock):
    old = clients.add_secret(reports, "HS512")
    now = timezone.now()
    new = clients.rotate(old.key, overlap=DAY)
    rows = {row.pk: row for row in ClientKey.objects.all()}
    assert new.secret != old.secret
    assert (new.key.algorithm, new.key.expires_at, new.key.rotated_at) == ("HS512", None, None)
    assert (rows[old.key.pk].rotated_at, rows[old.key.pk].expires_at) == (now, now + DAY)
    assert [row.is_usable(now) for row in rows.values()] == [True, True]
    assert rows[new.key.pk].is_usable(now + DAY)
    assert not rows[old.key.pk].is_usable(now + DAY)


def test_a_rotation_is_announced_to_those_who_hold_the_keys_in_memory(reports):
    old = clients.add_secret(reports).key
    assert events() == []
    clients.rotate(old)
    assert events() == [("client", reports.client_id, None, f"rotated: {old.kid}")]


def test_a_rotation_makes_no_key_live_longer(reports, clock):
    now = timezone.now()
    old = clients.add_secret(reports, expires_at=now + DAY).key
    clients.rotate(old, overlap=2 * DAY)
    assert ClientKey.objects.get(pk=old.pk).expires_at == now + DAY


def test_without_overlap_the_old_key_ends_at_once(reports, clock):
    old = clients.add_secret(reports).key
    clients.rotate(old, overlap=timedelta(0), expires_at=timezone.now() + DAY)
    assert not ClientKey.objects.get(pk=old.pk).is_usable(timezone.now())
    assert ClientKey.objects.exclude(pk=old.pk).get().expires_at == timezone.now() + DAY


@pytest.mark.parametrize("overlap", [timedelta(microseconds=-1), 90 * DAY + timedelta(microseconds=1)])
def test_an_overlap_has_bounds(reports, overlap):
    with pytest.raises(RegistrationError, match="overlap"):
        clients.rotate(clients.add_secret(reports).key, overlap=overlap)
    assert ClientKey.objects.count() == 1


def test_a_public_key_is_rotated_to_another(reports, ec_key, rsa_key):
    old = clients.add_public_key(reports, public_pem(ec_key)).key
    with pytest.raises(RegistrationError, match="new public key"):
        clients.rotate(old)
    new = clients.rotate(old, public_pem(rsa_key), "PS256")
    assert (new.secret, new.key.algorithm) == (None, "PS256")
    assert ClientKey.objects.get(pk=old.pk).rotated_at


def test_a_secret_may_give_way_to_a_key_pair(reports, ed_key):
    new = clients.rotate(clients.add_secret(reports).key, public_jwk(ed_key))
    assert (new.secret, new.key.algorithm) == (None, "EdDSA")


def test_a_key_is_rotated_once(reports):
    old = clients.add_secret(reports).key
    clients.rotate(old)
    with pytest.raises(RegistrationError, match="rotated"):
        clients.rotate(old)
    assert ClientKey.objects.count() == 2


def test_a_key_that_has_ended_is_not_rotated(reports, clock):
    expired, revoked = (clients.add_secret(reports, expires_at=timezone.now() + DAY).key for _ in range(2))
    revoke_client_key(revoked)
    clock.shift(DAY)
    for key in (expired, revoked):
        with pytest.raises(RegistrationError, match="expired"):
            clients.rotate(key)
    assert ClientKey.objects.count() == 2


def test_a_rotation_to_the_same_key_changes_nothing(reports, ec_key):
    old = clients.add_public_key(reports, public_pem(ec_key)).key
    with pytest.raises(RegistrationError, match="this key"):
        clients.rotate(old, public_pem(ec_key))
    assert ClientKey.objects.get().rotated_at is None


# Permissions


@pytest.fixture
def clerk(make_user):
    """A user with a single permission."""
    clerk = make_user("clerk")
    clerk.user_permissions.add(Permission.objects.get(codename="add_registeredclient"))
    return clerk


def test_credentials_are_for_oneself_or_for_who_may_no_more(user, clerk, staff, make_user):
    assert registrars.may_hand_out(user, user)
    assert registrars.may_hand_out(clerk, clerk)
    assert registrars.may_hand_out(clerk, user)
    assert not registrars.may_hand_out(user, clerk)
    assert not registrars.may_hand_out(clerk, staff)
    assert registrars.may_hand_out(staff, clerk)
    assert registrars.may_hand_out(staff, make_user("root", is_superuser=True))


def test_being_staff_counts_as_a_permission(clerk, make_user):
    colleague = make_user("colleague", is_staff=True)
    assert not registrars.may_hand_out(clerk, colleague)
    clerk.is_staff = True
    assert registrars.may_hand_out(clerk, colleague)


def test_an_inactive_user_has_permissions_that_do_not_show(user, clerk, staff, make_user):
    clerk.is_active = False
    clerk.save()
    assert not registrars.may_hand_out(user, clerk)
    assert registrars.may_hand_out(staff, clerk)


# Signals


def test_signals_follow_the_commit(user, heard, ec_key, django_capture_on_commit_callbacks):
    sent = heard(client_registered, client_changed, client_key_added)
    with django_capture_on_commit_callbacks(execute=True):
        client = clients.register("reports", user, actor=user)
        clients.change(client, name="Reports", actor="cron")
        old = clients.add_secret(client).key
        new = clients.rotate(old, public_pem(ec_key), actor=user).key
        assert not sent
    assert sent == [
        (client_registered, {"client": client, "actor": str(user.pk)}),
        (client_changed, {"client": client, "changed": ["name"], "actor": "cron"}),
        (client_key_added, {"client_key": old, "replaced": None, "actor": ""}),
        (client_key_added, {"client_key": new, "replaced": old, "actor": str(user.pk)}),
    ]
