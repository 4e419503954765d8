"""How tokens are read and compared, where the standards require more than the right answer."""

import hmac
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from django.contrib.auth.tokens import default_token_generator
from django.core import signing

from jwt_auth.exceptions import MalformedTokenError
from jwt_auth.jose import tokens
from jwt_auth.keyring.configured import refresh_keys
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_token
from jwt_auth.verification import verify
from tests.support import forge
from tests.support.entry_points import knock
from tests.support.keys import pem

# The order of P-256 (FIPS 186-5): (r, n - s) is as valid a signature as (r, s).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def spy_on(monkeypatch, owner, name, answer=None):
    """Call through to `owner.name` and record its arguments; `answer` replaces its result."""
    original, seen = getattr(owner, name), []

    def spy(*args):
        seen.append(args)
        result = original(*args)
        return result if answer is None else answer

    monkeypatch.setattr(owner, name, spy)
    return seen


# Length


def test_a_token_that_is_too_long_is_not_even_decoded(pair, monkeypatch):
    decoded = spy_on(monkeypatch, tokens, "base64url_decode")
    good = pair["access_token"]
    tokens.peek_unverified(good)
    assert len(decoded) == 3
    with pytest.raises(MalformedTokenError):
        tokens.peek_unverified(good + "A" * (tokens.MAX_LENGTH - len(good) + 1))
    assert len(decoded) == 3


# Comparisons in constant time. The spy shows that secret values go to the standard library's function, and
# the answer that it gives shows that nothing else decides: a `==` beside it would be found out.


def test_a_mac_is_compared_in_constant_time_and_by_nothing_else(client, pair, monkeypatch):
    body, _, signature = pair["access_token"].rpartition(".")
    forged = f"{body}.{forge.b64(bytes(32))}"
    assert client.get_me(forged).status_code == 401
    compared = spy_on(monkeypatch, hmac, "compare_digest", answer=True)
    assert client.get_me(forged).status_code == 200
    assert (bytes(32), forge.unb64(signature)) in compared


def test_a_refresh_tokens_signature_is_compared_in_constant_time_and_by_nothing_else(client, pair, monkeypatch):
    body, _, signature = pair["refresh_token"].rpartition(".")
    forged = f"{body}.{'A' * 43}"
    assert client.refresh(forged).status_code == 401
    compared = spy_on(monkeypatch, secrets, "compare_digest", answer=True)
    assert client.refresh(forged).status_code == 200
    assert (b"A" * 43, signature.encode()) in compared


def test_the_hash_of_the_sign_ins_password_is_compared_in_constant_time_and_by_nothing_else(client, pair, monkeypatch):
    current = UserSession.objects.get().auth_hash
    UserSession.objects.update(auth_hash="0" * len(current))
    assert client.get_me(pair["access_token"]).status_code == 401
    compared = spy_on(monkeypatch, secrets, "compare_digest", answer=True)
    assert client.get_me(pair["access_token"]).status_code == 200
    assert (b"0" * len(current), current.encode()) in compared


# Kinds


def others(user, pair):
    """Return what is signed with the same SECRET_KEY, or with the same keys, for other purposes."""
    handle_and_counter = pair["refresh_token"].rpartition(".")[0]
    (refresh_key,) = refresh_keys()
    return {
        "signing.dumps": signing.dumps({"sub": str(user.pk), "sid": pair["session"]}),
        "TimestampSigner": signing.TimestampSigner(sep=".").sign(handle_and_counter),
        "Signer with our salt": signing.Signer(salt="jwt_auth.refresh", sep=".").sign(handle_and_counter),
        "our key, other salt": signing.Signer(key=refresh_key, salt="other", sep=".").sign(handle_and_counter),
        "password reset": default_token_generator.make_token(user),
        "JWT by the refresh key": forge.sign(
            *(forge.unb64(part) for part in pair["access_token"].split(".")[:2]), refresh_key
        ),
    }


def test_nothing_else_that_the_project_signs_is_taken_for_a_token(client, pair, user):
    for name, raw in others(user, pair).items():
        for entry_point, answer in knock(client, raw):
            refusal = {"authenticator": {401}, "verify": {401}, "refresh": {401}, "exchange": {400}}
            assert answer.status_code in refusal.get(entry_point, {200, 204}), name
    assert not client.is_dead(pair)


@pytest.mark.parametrize(
    ("kind", "welcome"),
    [("access_token", {"authenticator", "verify"}), ("refresh_token", {"refresh"})],
)
def test_each_kind_of_token_lets_in_at_its_own_entry_points_only(client, pair, kind, welcome):
    answers = dict(knock(client, pair[kind]))
    statuses = {name: answers[name].status_code for name in ("authenticator", "verify", "refresh")}
    assert {name for name, status in statuses.items() if status == 200} == welcome
    assert set(statuses.values()) == {200, 401}


# The denylist


def in_another_spelling(raw):
    """Return the same token with the other valid ECDSA signature, which anyone can compute without the key."""
    body, _, signature = raw.rpartition(".")
    octets = forge.unb64(signature)
    r, s = (int.from_bytes(half, "big") for half in (octets[:32], octets[32:]))
    twin = r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big")
    assert decode_dss_signature(encode_dss_signature(r, P256_ORDER - s)) == (r, P256_ORDER - s)
    return f"{body}.{forge.b64(twin)}"


def test_a_denied_token_is_denied_under_its_other_signature_too(client, user, clock, jwt_settings, ec_key):
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    raw = client.tokens(user)["access_token"]
    twin = in_another_spelling(raw)
    assert twin != raw
    assert client.get_me(twin).status_code == 200  # the control: it verifies as well
    revoke_token(verify(raw).claims)
    assert client.get_me(raw).json()["code"] == "token_revoked"
    assert client.get_me(twin).json()["code"] == "token_revoked"
