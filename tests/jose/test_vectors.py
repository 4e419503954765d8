"""
Public test vectors of JOSE and JSON, with a reason for each one that is judged differently here.

They are not part of the project: JOSE_VECTORS names their folder.
"""

import json
from itertools import islice

import pytest

from jwt_auth.exceptions import ConfigurationError, MalformedTokenError
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.jose.tokens import peek_unverified
from jwt_auth.keyring import configured
from jwt_auth.models import UserSession
from tests.jose import vectors_runner
from tests.support.fuzzing import claims_of, good_header, rolled_back, show_everywhere, signed
from tests.support.selection import THOROUGH

pytestmark = pytest.mark.skipif(vectors_runner.FOLDER is None, reason="JOSE_VECTORS names no folder of public vectors")

# Vectors with a wrong label upstream, and the right one.
MISLABELLED = {
    "jws 346: rfc7520, Figure20": "the token says PS384, its key PS256",
    "jws 350: rfc7520WithKeyOps, Figure20": "the token says PS384, its key PS256",
    "jws 347: rfc7520, Figure27": 'the key has the alg "ES521", which does not exist',
    "jws 351: rfc7520WithKeyOps, Figure27": 'the key has the alg "ES521", which does not exist',
    "jws 367: base64, invalidBase64Padding": "byte for byte the valid vector 357",
    "jws 370: base64, invalidBase64PaddingInPayload": "byte for byte the valid vector 357",
}

# Vectors that upstream accepts and this app refuses, or the other way round, by a rule of its own.
OWN_RULES = {
    "jws 372: base64, InvalidCharacterInsertedInHeader": "no character outside base64url is skipped",
    "jws 373: base64, InvalidCharacterInsertedInPayload": "no character outside base64url is skipped",
    "hmac-sha2_b64_false compact": "b64: false, a critical parameter that is not understood here",
    # A key is found by its kid and has one algorithm; whole sets are never loaded.
    "jws 1: jws_mixedSymmetryKeyset, rejectsValid": "a set of secrets and public keys",
    "jws 47: jws_mixedSymmetryKeyset, rejectsValid": "a set of secrets and public keys",
}


def reason_to_refuse(vector):
    """Return the reason why a token that is valid upstream is not one here, from its form alone."""
    segments = vector.raw.split(".")
    if vector.raw.startswith("{"):
        return "a JSON serialization"
    if len(segments) != 3:
        return "encrypted, or a payload outside base64url"
    if segments[1] == "":
        return "no claims: detached or empty"
    if vector.key is None:
        return "no key comes with it"
    if vector.key.get("weak"):
        return "a secret shorter than its hash"
    return {**MISLABELLED, **OWN_RULES}.get(vector.name)


def judge(vectors):
    """Return how many vectors were accepted and refused; fail if one is judged unlike upstream without a reason."""
    counts = {True: 0, False: 0}
    unexplained = []
    for vector in vectors:
        accepted = vectors_runner.accepts(vector)
        counts[accepted] += 1
        known = vector.name in {**MISLABELLED, **OWN_RULES}
        differs = vector.valid is not None and accepted != vector.valid
        if differs and not (known if accepted else reason_to_refuse(vector)):
            unexplained.append((vector.name, "accepted" if accepted else "refused"))
        if known and not differs:
            unexplained.append((vector.name, "no longer judged differently: take it off the list"))
    assert not unexplained
    return counts[True], counts[False]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"), [("signature", 36, 365), ("key", 6, 20), ("crypto", 5, 78), ("encryption", 0, 139)]
)
def test_the_vectors_of_wycheproof(name, accepted, refused):
    assert judge(vectors_runner.wycheproof(name)) == (accepted, refused)


@pytest.mark.parametrize(("file", "valid"), [("joserfc.json", True), ("misc.json", None)])
def test_the_tokens_of_other_libraries(file, valid):
    accepted, refused = judge(vectors_runner.listed(file, valid=valid))
    assert accepted
    assert refused


def test_the_examples_of_the_rfcs():
    accepted, _ = judge(vectors_runner.cookbook())
    # RFC 7520 sections 4.1 to 4.4, RFC 8037 appendix A.4, and the inner token of RFC 7520 section 6.
    assert accepted == 6


def test_an_encrypted_token_is_malformed():
    encrypted = [v for name in ("encryption", "crypto") for v in vectors_runner.wycheproof(name) if v.name[:3] == "jwe"]
    assert len(encrypted) > 150
    for vector in encrypted:
        with pytest.raises(MalformedTokenError):
            peek_unverified(vector.raw)


def test_every_token_is_refused_by_the_endpoints(client, db):
    files = [vectors_runner.wycheproof(name) for name in ("signature", "key", "crypto", "encryption")]
    files += [vectors_runner.cookbook(), vectors_runner.listed("joserfc.json", valid=True)]
    for vector in (vector for file in files for vector in file):
        header = vector.raw.replace("\n", " ")
        assert client.get("/auth/me/", HTTP_AUTHORIZATION=f"Bearer {header}").status_code == 401, vector.name


# Names twice in one object: legal JSON, and two readings of one document.
STRICTER = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}


def test_json_documents_are_read_as_the_suite_says():
    judged = {name: vectors_runner.reads(document) for name, document in vectors_runner.json_documents()}
    assert {name for name, read in judged.items() if name.startswith("y_") and not read} == STRICTER
    assert {name for name, read in judged.items() if name.startswith("n_") and read} == set()
    # i_ and the transformations may go either way: the test is that only a ValueError is raised.
    assert len(judged) == 340


def some(vectors):
    """Return all of them in a thorough run, and every tenth in the usual one."""
    return islice(vectors, 0, None, 1 if THOROUGH else 10)


@pytest.fixture
def pair(client, staff, jwt_settings, settings):
    jwt_settings(LOGIN_THROTTLE="1000000/s")
    rates = {"jwt_auth_refresh": "1000000/s", "jwt_auth_revoke": "1000000/s"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    return client.tokens(staff)


def test_json_documents_as_header_and_claims_crash_nothing(client, pair):
    for name, document in some(vectors_runner.json_documents()):
        if len(document) < 2000:
            show_everywhere(client, signed(good_header(), document))
            assert client.get_me(signed(document, b"{}")).status_code == 401, name


@pytest.mark.parametrize("claim", ["sub", "sid", "jti", "iss"])
def test_naughty_strings_as_claims_are_refused_or_meaningless(client, pair, staff, claim):
    for text in some(vectors_runner.naughty_strings()):
        if text == str(staff.pk):
            continue
        raw = signed(good_header(), json.dumps({**claims_of(pair), claim: text}).encode())
        # Only the jti may be any printable text.
        assert client.get_me(raw).status_code in ((200, 401) if claim == "jti" else (401,)), text


def test_naughty_strings_as_names_and_labels_are_stored_as_they_are_or_refused(client, pair, staff):
    for text in some(vectors_runner.naughty_strings()):
        with rolled_back():
            answer = client.send("login/", {staff.USERNAME_FIELD: text, "password": text})
            assert answer.status_code in (400, 401), (text, answer.content)
        with rolled_back():
            answer = client.login(staff, label=text)
            assert answer.status_code in (200, 400), (text, answer.content)
            if answer.status_code == 200:
                assert UserSession.objects.get(pk=answer.json()["session"]).label == text.strip()
        with rolled_back():
            body = {"username": text, "reason": text}
            answer = client.bearer(pair["access_token"]).send("revoke/user/", body)
            assert answer.status_code in (400, 404), (text, answer.content)


def test_weak_secrets_are_refused_as_signing_keys(jwt_settings):
    accepted = []
    for secret in vectors_runner.weak_secrets():
        jwt_settings(SIGNING_KEY={"kty": "oct", "k": base64url_encode(secret)})
        try:
            configured.configured_keys()
        except ConfigurationError as error:
            assert error.id in ("E010", "E011", "E014"), secret  # noqa: PT017
        else:
            accepted.append(secret)
    assert not accepted
    jwt_settings(SIGNING_KEY={"kty": "oct", "k": base64url_encode(bytes(range(128, 160)))})
    assert configured.configured_keys()
