"""TRUSTED_ISSUERS as the project writes it: each fault is named, and each option takes effect."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth import get_user_model
from django.core import checks
from jwt.algorithms import ECAlgorithm

from jwt_auth.conf.issuers import trusted_issuers
from jwt_auth.exceptions import ConfigurationError
from tests.support.keys import pem, public_pem

NAME = "https://issuer.example"


@pytest.fixture
def options(ec_key):
    """The options that a valid entry needs."""
    return {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"]}


@pytest.fixture
def found(jwt_settings, options):
    """
    `found(**changes)` returns the ids of the findings of `manage.py check` for a valid entry with these changes;
    Ellipsis removes an option.
    """

    def find(name=NAME, entry=None, **changes):
        good = {key: value for key, value in {**options, **changes}.items() if value is not ...}
        jwt_settings(TRUSTED_ISSUERS={name: good if entry is None else entry})
        messages = checks.run_checks(tags=["security"])
        assert all(message.hint for message in messages)
        return [message.id.removeprefix("jwt_auth.") for message in messages]

    return find


def principal(claims):
    return claims.sub


def test_a_good_entry_passes_and_has_its_defaults(found):
    assert found() == []
    trusted = trusted_issuers()[NAME]
    assert (trusted.name, trusted.AUDIENCE, trusted.TYPES) == (NAME, ("jwt_auth",), ("at+jwt",))
    assert (timedelta(minutes=5), "claims") == (trusted.MAX_LIFETIME, trusted.PRINCIPAL)
    assert (trusted.PRIVATE_NETWORK, trusted.ONE_TIME) == (False, False)
    assert timedelta(seconds=10) == trusted.REVOCATIONS_MAX_STALENESS


def test_nothing_is_trusted_by_default(settings):
    assert trusted_issuers() == {}


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", 5, None])
def test_a_name_that_no_token_could_have(found, name):
    assert found(name=name) == ["E075"]


def test_a_name_as_long_as_can_be(found):
    assert found(name="x" * 255) == []


@pytest.mark.parametrize("entry", ["https://issuer.example/jwks.json", [], None, 5])
def test_an_entry_that_is_no_dict(found, entry):
    assert found(entry=0 if entry is None else entry) == ["E075"]


def test_our_own_name(found):
    assert found(name="jwt_auth") == ["E076"]


def test_an_unknown_option(found):
    assert found(AUDIENCES=["x"]) == ["E077"]
    assert found(jwk="x") == ["E077"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ALGORITHMS", []),
        ("ALGORITHMS", "ES256"),
        ("ALGORITHMS", {"ES256": True}),
        ("ALGORITHMS", ["HS256"]),
        ("ALGORITHMS", ["none"]),
        ("ALGORITHMS", ["es256"]),
        ("AUDIENCE", []),
        ("AUDIENCE", ""),
        ("AUDIENCE", None),
        ("AUDIENCE", [5]),
        ("TYPES", []),
        ("TYPES", "JWT"),
        ("TYPES", [5]),
        ("MAX_LIFETIME", 300),
        ("MAX_LIFETIME", timedelta(0)),
        ("MAX_LIFETIME", timedelta(days=2)),
        ("CLAIMS", ["azp"]),
        ("CLAIMS", {"iss": "issuer"}),
        ("CLAIMS", {"exp": "expires"}),
        ("CLAIMS", {"client_id": ""}),
        ("CLAIMS", {"client_id": 5}),
        ("CLAIMS", {"aud": None}),
        ("CLAIMS", {"sub": None}),
        ("CLAIMS", {"aud": "iss"}),
        ("CLAIMS", {"auth_time": "exp"}),
        ("CLAIMS", {"iat": ""}),
        ("REQUIRE", ["typ"]),
        ("REQUIRE", {5: "x"}),
        ("REQUIRE", {"": "x"}),
        ("REQUIRE", {"v": {"a", "b"}}),
        ("REQUIRE", {"v": ["a", {"b"}]}),
        ("REQUIRE", {"v": {"a": {"b"}}}),
        ("REQUIRE", {"v": {1: "b"}}),
        ("REQUIRE", {"v": b"x"}),
        ("REQUIRE", {"v": []}),
        ("REQUIRE", {"v": ()}),
        ("PRINCIPAL", "nobody"),
        ("PRINCIPAL", "tests.conf.test_issuers.missing"),
        ("PRINCIPAL", None),
        ("ONE_TIME", 1),
        ("USER_FIELD", "a b"),
        ("JWKS_URL", "http://issuer.example/keys"),
        ("JWKS_URL", None),
        ("JWKS_URL", 5),
        ("PRIVATE_NETWORK", 1),
        ("REVOCATIONS_URL", "https://user@issuer.example/feed"),
        ("REVOCATIONS_MAX_STALENESS", timedelta(milliseconds=1)),
        ("REVOCATIONS_MAX_STALENESS", timedelta(seconds=61)),
        ("KEYS", ""),
        ("KEYS", []),
    ],
)
def test_a_value_that_an_option_can_not_have(found, option, value):
    assert found(**{option: value}) == ["E078"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("AUDIENCE", "ours"),
        ("AUDIENCE", ("ours", "theirs")),
        ("TYPES", [None, "JWT"]),
        ("CLAIMS", {"auth_time": "iat"}),
        ("REQUIRE", {"v": [None, True, 1, 0.5, "x", ["a"], ("b",), {"a": {"b": []}}]}),
        ("MAX_LIFETIME", timedelta(seconds=1)),
        ("MAX_LIFETIME", timedelta(days=1)),
        ("REVOCATIONS_MAX_STALENESS", timedelta(seconds=1)),
        ("REVOCATIONS_MAX_STALENESS", timedelta(seconds=60)),
    ],
)
def test_a_value_that_an_option_can_just_have(found, option, value):
    assert found(**{option: value}) == []


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("TYPES", "JWT", "Without it, the default is ('at+jwt',)."),
        ("MAX_LIFETIME", 5, "Without it, the default is 0:05:00."),
        ("CLAIMS", [], "Without it, the default is {}."),
        ("AUDIENCE", 5, "Without it, our own AUDIENCE is expected."),
        ("ALGORITHMS", ["HS256"], "Change it; it has no default."),
        ("JWKS_URL", 5, "Change it; it has no default."),
    ],
)
def test_the_hint_says_what_follows_without_the_option(found, option, value, hint):
    assert found(**{option: value}) == ["E078"]
    (message,) = checks.run_checks(tags=["security"])
    assert message.hint == hint


def test_an_audience_in_another_claim_is_not_ours_by_default(found):
    assert found(CLAIMS={"aud": "client_id"}) == ["E088"]
    assert found(CLAIMS={"aud": "client_id"}, AUDIENCE=["app"]) == []
    assert found(CLAIMS={"aud": "aud"}) == []


@pytest.mark.parametrize("claim", ["client_id", "clientId", "client", "azp", "appid", "app_id", "cid"])
def test_no_user_may_speak_for_a_client(found, claim):
    assert found(CLAIMS={"sub": claim}) == ["E089"]
    for admits_users in ("u", ["u"], ["u", None]):
        assert found(CLAIMS={"sub": claim}, REQUIRE={"sub": admits_users}) == ["E089"]
    for admits_none in (None, [None], (None,)):
        assert found(CLAIMS={"sub": claim}, REQUIRE={"sub": admits_none}) == []
    assert found(CLAIMS={"sub": "oid"}) == []


def test_an_issuer_may_write_no_time_of_issue(found):
    assert found(CLAIMS={"iat": None}) == []
    assert found(CLAIMS={"iat": "nbf"}) == []


def test_neither_keys_nor_where_they_are_or_both(found):
    assert found(KEYS=...) == ["E079"]
    assert found(JWKS_URL="https://issuer.example/keys") == ["E079"]
    assert found(JWKS_URL="https://issuer.example/keys", KEYS=...) == []


def test_no_algorithms(found):
    assert found(ALGORITHMS=...) == ["E080"]


def test_keys_that_can_not_be_used(found, ec_key, rsa_key):
    assert found(KEYS=pem(ec_key)) == ["E081"]  # private
    assert found(KEYS=public_pem(rsa_key)) == ["E081"]  # of another algorithm
    assert found(KEYS="no PEM") == ["E081"]
    assert found(KEYS={"keys": []}) == ["E081"]
    assert found(KEYS={"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}) == ["E081"]


def test_several_keys_are_told_apart_by_their_names(found, ec_key):
    named = {**ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True), "kid": "one"}
    other = {**ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True), "kid": "one"}
    assert found(KEYS=[named, public_pem(ec_key)]) == []
    assert found(KEYS={"keys": [named]}) == []
    assert found(KEYS=[{"keys": [named]}, {**other, "kid": "two"}]) == []
    assert found(KEYS=[named, other]) == ["E081"]
    assert found(KEYS=[named, other, {**other, "kid": "two"}]) == ["E081"]
    assert found(KEYS=[named, {**other, "kid": "two"}]) == []
    assert found(KEYS=[named, 5]) == ["E081"]
    assert found(KEYS=[{**named, "crv": ["P-256"]}]) == ["E081"]
    assert found(KEYS={"keys": [5]}) == ["E081"]


def test_a_key_never_stands_in_a_message(found, ec_key, jwt_settings):
    for value in (pem(ec_key), {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}):
        found(KEYS=value)
        (message,) = checks.run_checks(tags=["security"])
        assert "PRIVATE" not in str(message)
        assert "c2VjcmV0" not in str(message)


def test_users_and_their_field_belong_together(found):
    assert found(PRINCIPAL="user") == ["E082"]
    assert found(USER_FIELD="email") == ["E082"]


def test_the_field_must_be_unique(found):
    assert found(PRINCIPAL="user", USER_FIELD="is_active") == ["E083"]
    assert found(PRINCIPAL="user", USER_FIELD="missing") == ["E083"]


def test_issuers_that_share_a_field_share_their_users(found, jwt_settings, options, user):
    entry = {**options, "PRINCIPAL": "user", "USER_FIELD": user.USERNAME_FIELD}
    assert found(**entry) == []
    assert found(PRINCIPAL="user", USER_FIELD="pk") == ["W075"]
    assert found(PRINCIPAL="user", USER_FIELD=user._meta.pk.name) == ["W075"]  # the same by its other name
    jwt_settings(TRUSTED_ISSUERS={"a": entry, "b": entry})
    assert [message.id for message in checks.run_checks(tags=["security"])] == ["jwt_auth.W075"] * 2


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("https://accounts.google.com", "azp"),
        ("https://token.actions.githubusercontent.com", "repository_id"),
        ("https://token.actions.githubusercontent.com", "repository_owner"),
        ("https://token.actions.githubusercontent.com", "sub"),
        ("https://gitlab.com", "project_id"),
        ("https://gitlab.com", "namespace_path"),
        ("https://app.terraform.io", "terraform_workspace_id"),
        ("https://agent.buildkite.com", "organization_id"),
    ],
)
def test_an_issuer_that_signs_for_everybody_needs_a_restriction_to_an_owner(found, name, claim):
    assert found(name=name) == ["W077"]
    assert found(name=name, REQUIRE={claim: "20", "ref": ["main", None]}) == []
    assert found(name=name, REQUIRE={claim: ["20", "21"]}) == []
    # What each owner can write into a token of their own, or leave out.
    for open_to_all in ({"ref": "main"}, {"event_name": ["push"]}, {claim: None}, {claim: ["20", None]}):
        assert found(name=name, REQUIRE=open_to_all) == ["W077"]
    assert found(name="https://ci.example.com") == []
    # Only users of ours come in, so it does not matter who else has a token.
    assert found(name=name, PRINCIPAL="user", USER_FIELD=get_user_model().USERNAME_FIELD) == []


def test_what_is_wrong_is_not_used(jwt_settings, options):
    jwt_settings(TRUSTED_ISSUERS={NAME: {**options, "ALGORITHMS": ["HS256"]}})
    with pytest.raises(ConfigurationError, match="HS256"):
        trusted_issuers()


def test_what_is_written_is_in_force(found):
    options = {
        "AUDIENCE": ["a", "b"],
        "TYPES": [None, "JWT"],
        "MAX_LIFETIME": timedelta(hours=1),
        "CLAIMS": {"client_id": "azp"},
        "REQUIRE": {"typ": "Bearer", "ver": ["1.0", "2.0"]},
        "PRINCIPAL": "tests.conf.test_issuers.principal",
    }
    assert found(**options) == []
    trusted = trusted_issuers()[NAME]
    assert (trusted.AUDIENCE, trusted.TYPES) == (("a", "b"), (None, "JWT"))
    assert trusted.REQUIRE == {"typ": ("Bearer",), "ver": ("1.0", "2.0")}
    assert trusted.PRINCIPAL is principal
    assert found(PRINCIPAL=principal) == []


@pytest.mark.parametrize(("mode", "ids"), [("none", ["jwt_auth.W076"]), ("memory", []), ("database", [])])
def test_sessions_that_nobody_asks_for(jwt_settings, mode, ids):
    jwt_settings(REVOCATION=mode)
    messages = checks.run_checks(tags=["security"], include_deployment_checks=True)
    assert [message.id for message in messages if message.id == "jwt_auth.W076"] == ids
