"""Former access tokens and sliding tokens in requests: each check of simplejwt, and each revocation of this app."""

from datetime import date, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken, UntypedToken

from jwt_auth import sessions, urls
from jwt_auth.contrib.simplejwt.window.package import NAME, former_of, kind_of
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InactivePrincipalError,
    InvalidClaimError,
    InvalidTokenError,
    MissingUserError,
    RevokedTokenError,
    StaleCredentialsError,
    UntrustedIssuerError,
)
from jwt_auth.jose.tokens import peek_unverified
from jwt_auth.models import UsedToken, UserSession
from jwt_auth.revocation import revoke_all, revoke_token, revoke_user
from jwt_auth.verification import averify, verify
from tests.support.former import former_access, former_pair, former_sliding, resigned
from tests.support.keys import pem, public_pem
from tests.support.outages import assert_unavailable, outage

ALL_MODES = pytest.mark.parametrize("mode", ["database", "memory", "none"])


@pytest.fixture
def access(user, clock):
    return former_pair(user)["access"]


@ALL_MODES
def test_each_mode_accepts_it_with_one_query(client, user, access, jwt_settings, count, mode):
    jwt_settings(REVOCATION=mode)
    verify(access)
    number, verified = count(verify, access)
    assert number == 1
    assert verified.user == user
    assert verified.session is None
    assert client.get_me(access).status_code == 200


def test_its_claims_are_those_of_a_sign_in_here_without_limits(user, access):
    claims = verify(access).claims
    assert (claims.iss, claims.sub, claims.sid, claims.auth_time) == (NAME, str(user.pk), None, None)
    assert claims.scope is None
    assert not claims.is_limited
    assert claims.all["token_type"] == "access"
    assert claims.jti == claims.all["jti"]


def test_claims_of_the_project_mean_nothing_here(user, access):
    claims = verify(resigned(access, sid="0" * 32, scope="none", auth_time=0, amr=["mfa"], aud="elsewhere")).claims
    assert (claims.sid, claims.scope, claims.auth_time, claims.amr) == (None, None, None, ())
    assert claims.all["scope"] == "none"


@pytest.mark.django_db(transaction=True)
def test_asynchronous_code_gets_the_user(user):
    assert async_to_sync(averify)(former_access(user)).user == user


def test_an_id_that_is_a_number_is_one_too(user, access):
    if not isinstance(user.pk, int):
        pytest.skip("the key of this user model is no number")
    assert verify(resigned(access, user_id=user.pk)).user == user


@pytest.mark.parametrize("user_id", [None, True, 1.0, [1], {"id": 1}])
def test_an_id_of_another_type_is_refused(access, user_id):
    with pytest.raises(InvalidClaimError, match="user_id"):
        verify(resigned(access, user_id=user_id))


@pytest.mark.parametrize("spelling", ["0{}", " {}", "{}.0", "{} ", "x", "99999999999999999999", "a\x7fb"])
def test_another_spelling_of_an_id_is_nobodys(user, access, spelling):
    with pytest.raises((MissingUserError, InvalidClaimError)):
        verify(resigned(access, user_id=spelling.format(user.pk)))


def test_a_field_of_the_project_finds_the_user_exactly(user, package_settings):
    name = get_user_model().USERNAME_FIELD
    package_settings(USER_ID_FIELD=name)
    raw = former_pair(user)["access"]
    assert verify(raw).user == user
    with pytest.raises(MissingUserError):
        verify(resigned(raw, user_id=user.get_username().upper()))


# What simplejwt checks


def test_until_it_expires(user, clock):
    access = former_pair(user)["access"]
    clock.shift(299)
    assert verify(access).user == user
    clock.shift(2)
    with pytest.raises(ExpiredTokenError):
        verify(access)


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_its_key_may_be_weak_and_its_leeway_is_that_of_simplejwt(user, clock, package_backend):
    package_backend("HS256", "a key", leeway=30)
    access = former_pair(user)["access"]
    clock.shift(329)
    assert verify(access).user == user
    clock.shift(2)
    with pytest.raises(ExpiredTokenError):
        verify(access)


def test_the_time_can_be_given(user, clock):
    access = former_pair(user)["access"]
    with pytest.raises(ExpiredTokenError):
        verify(access, now=timezone.now() + timedelta(hours=1))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"without": ("exp",)}, InvalidClaimError),
        ({"without": ("jti",)}, InvalidClaimError),
        ({"without": ("user_id",)}, InvalidClaimError),
        ({"without": ("token_type",)}, UntrustedIssuerError),
        ({"token_type": "refresh"}, UntrustedIssuerError),
        ({"token_type": "untyped"}, UntrustedIssuerError),
        ({"token_type": ["access"]}, UntrustedIssuerError),
        ({"headers": {"kid": "one"}}, UntrustedIssuerError),
        ({"exp": "soon"}, InvalidTokenError),
        ({"iat": "then"}, InvalidTokenError),
        ({"iat": 4_000_000_000}, InvalidClaimError),
        ({"nbf": 4_000_000_000}, InvalidClaimError),
    ],
)
def test_a_token_with_other_claims_is_refused(access, changes, error):
    verify(resigned(access))
    with pytest.raises(error):
        verify(resigned(access, **changes))


def test_another_key_is_refused(access, package_backend):
    package_backend("HS256", "another key than the project's, which is long enough")
    with pytest.raises(InvalidTokenError, match="Signature verification failed"):
        verify(access)


def test_an_asymmetric_key_of_simplejwt_is_used(user, package_backend, rsa_key):
    package_backend("RS256", pem(rsa_key), public_pem(rsa_key))
    assert verify(former_pair(user)["access"]).user == user


def test_issuer_and_audience_are_checked_by_simplejwt(user, package_backend, access):
    key = "a key of the project, which is long enough for everybody"
    package_backend("HS256", key)
    plain = former_pair(user)["access"]
    package_backend("HS256", key, "", "mobile", "https://before.example")
    assert verify(former_pair(user)["access"]).user == user
    with pytest.raises(InvalidTokenError, match="simplejwt refuses"):
        verify(plain)


def test_the_issuer_may_have_the_name_of_this_server(user, package_backend, jwt_settings):
    jwt_settings(ISSUER="https://api.example", AUDIENCE="https://api.example")
    package_backend("HS256", "a key of the project, which is long enough", issuer="https://api.example")
    assert verify(former_pair(user)["access"]).user == user


def test_the_name_of_a_trusted_issuer_tells_its_tokens(access, jwt_settings):
    named = peek_unverified(resigned(access, iss="https://other.example"))
    assert kind_of(named) is not None
    options = {"JWKS_URL": "https://other.example/keys", "ALGORITHMS": ["RS256"], "AUDIENCE": ["us"]}
    jwt_settings(TRUSTED_ISSUERS={"https://other.example": options})
    assert kind_of(named) is None
    assert kind_of(peek_unverified(access)) is not None


def test_a_refresh_token_is_never_an_access_token(user, package_settings, clock):
    refresh = former_pair(user)["refresh"]
    with pytest.raises(InvalidTokenError):
        verify(refresh)
    package_settings(AUTH_TOKEN_CLASSES=(AccessToken, RefreshToken, UntypedToken))
    with pytest.raises(InvalidTokenError):
        verify(refresh)


def test_checks_that_the_project_has_added_are_made(user, package_settings, clock):
    class Office(AccessToken):
        def verify(self):
            super().verify()
            if self["office"] != "here":
                raise TokenError("another office")

    package_settings(AUTH_TOKEN_CLASSES=(Office,))
    access = former_access(user)
    assert verify(resigned(access, office="here")).user == user
    with pytest.raises(RevokedTokenError, match="another office"):
        verify(resigned(access, office="there"))


@pytest.mark.parametrize("rule", [True, False])
def test_an_inactive_user_is_refused_whatever_simplejwt_would_do(user, access, package_settings, rule):
    package_settings(CHECK_USER_IS_ACTIVE=rule)
    user.is_active = False
    user.save()
    with pytest.raises(InactivePrincipalError):
        verify(access)


def test_a_deleted_user_is_missed(user, access):
    user.delete()
    with pytest.raises(MissingUserError):
        verify(access)


def test_a_new_password_kills_it_if_simplejwt_checks_that(user, package_settings, clock):
    package_settings(CHECK_REVOKE_TOKEN=True)
    access = former_pair(user)["access"]
    assert verify(access).user == user
    get_user_model().objects.filter(pk=user.pk).update(password="another")
    with pytest.raises(StaleCredentialsError):
        verify(access)
    with pytest.raises(StaleCredentialsError):
        verify(resigned(access, without=("hash_password",)))


def test_a_new_password_that_was_set_behind_djangos_back_leaves_it_alive_as_simplejwt_does(user, access):
    get_user_model().objects.filter(pk=user.pk).update(password="another")
    assert verify(access).user.pk == user.pk


# What this app revokes


@ALL_MODES
def test_a_revocation_of_the_user_refuses_it(user, access, clock, jwt_settings, mode):
    jwt_settings(REVOCATION=mode)
    assert verify(access)
    clock.shift(1)
    revoke_user(user)
    with pytest.raises(RevokedTokenError, match="before the cutoff"):
        verify(access)


def test_a_revocation_of_everybody_refuses_it(access, clock):
    clock.shift(1)
    revoke_all()
    with pytest.raises(RevokedTokenError, match="before the cutoff"):
        verify(access)


def test_a_token_without_iat_is_from_before_every_cutoff(user, access, make_user):
    raw = resigned(access, without=("iat",))
    assert verify(raw).user == user
    revoke_user(user, at=timezone.now() - timedelta(days=5000))
    assert verify(access).user == user
    with pytest.raises(RevokedTokenError, match="before the cutoff"):
        verify(raw)


def test_it_can_be_revoked_by_itself(user, access, clock):
    other = former_access(user)
    revoke_token(verify(access).claims)
    with pytest.raises(RevokedTokenError, match="denied"):
        verify(access)
    assert verify(other).user == user


def test_the_end_of_an_exchanged_session_refuses_former_access_tokens_from_before(user, clock, make_user):
    bystander = make_user("bob")
    pair, other, of_bystander = former_pair(user), former_access(user), former_access(bystander)
    clock.shift(5)
    new = sessions.refresh(pair["refresh"])
    assert verify(pair["access"]).user == user
    clock.shift(5)
    sessions.end(new.refresh_token)
    clock.shift(5)
    for raw in (pair["access"], other):
        with pytest.raises(RevokedTokenError, match="session is revoked"):
            verify(raw)
    assert verify(of_bystander).user == bystander
    assert verify(former_access(user)).user == user


def test_the_end_of_another_session_refuses_none(user, access, clock):
    clock.shift(5)
    sessions.end(sessions.start(user).refresh_token)
    assert verify(access).user == user


# Sliding tokens


@pytest.fixture
def sliding(package_settings, user, clock):
    package_settings(AUTH_TOKEN_CLASSES=(AccessToken, SlidingToken))
    return former_sliding(user)


def test_a_sliding_token_is_accepted_with_two_queries(user, sliding, count):
    number, verified = count(verify, sliding)
    assert number == 2
    assert verified.user == user


def test_a_sliding_token_is_accepted_only_where_simplejwt_does(user):
    with pytest.raises(UntrustedIssuerError):
        verify(former_sliding(user))


def test_a_sliding_token_on_the_blacklist_is_refused(sliding, user):
    SlidingToken(sliding).blacklist()
    with pytest.raises(RevokedTokenError, match="blacklisted"):
        verify(sliding)
    assert verify(former_sliding(user)).user == user


def test_a_sliding_token_that_was_exchanged_is_refused_without_a_blacklist_too(sliding):
    UsedToken.objects.create(digest=former_of(sliding).digest, expires_at=timezone.now() + timedelta(1))
    with pytest.raises(RevokedTokenError, match="denied"):
        verify(sliding)


# Around it


def test_an_outage_is_no_refusal(client, access):
    with outage(OperationalError):
        assert_unavailable(client.get_me(access))
    assert client.get_me(access).status_code == 200


@pytest.mark.parametrize("end", [None, "2000-01-01"])
def test_after_the_end_it_is_no_token_of_ours(client, user, jwt_settings, access, end):
    assert client.get_me(access).status_code == 200
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": end and date.fromisoformat(end)})
    answer = client.get_me(access)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    jwt_settings(SIMPLEJWT=None)
    answer = client.get_me(access)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_nothing_is_written_for_it(access):
    verify(access)
    assert not UserSession.objects.exists()
    assert not UsedToken.objects.exists()


# Over HTTP


@ALL_MODES
def test_each_endpoint_answers_to_it(client, user, jwt_settings, clock, mode):
    jwt_settings(REVOCATION=mode)
    answers = {}
    for pattern in urls.urlpatterns:
        path = str(pattern.pattern).replace("<uuid:pk>", "0" * 8 + "-0000-4000-8000-" + "0" * 12)
        path = path.replace("<uuid:session_id>", "00000000-0000-4000-8000-000000000000")
        for method in ("get", "post", "patch", "delete"):
            clock.shift(30)  # after the last revocation
            answer = client.bearer(former_access(user)).send(path, {"token": "x"}, method=method)
            answers[method, path] = answer.status_code
    assert max(answers.values()) < 500, answers
    assert answers["get", "me/"] == answers["get", "sessions/"] == 200


@ALL_MODES
def test_signing_out_with_it_ends_it(client, user, access, jwt_settings, mode):
    jwt_settings(REVOCATION=mode)
    other = former_access(user)
    assert client.bearer(access).send("logout/").status_code == 204
    assert client.get_me(access).status_code == 401
    assert client.get_me(other).status_code == 200


def test_signing_out_everywhere_with_it_ends_all(client, user, clock):
    access, pair = former_access(user), sessions.start(user)
    clock.shift(20)
    assert client.bearer(access).send("logout/all/").status_code == 204
    assert client.get_me(access).status_code == client.get_me(pair.access_token).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["database", "memory"])
def test_an_exchanged_session_is_one_of_ours_in_each_mode(client, user, jwt_settings, clock, ticks, mode):
    jwt_settings(REVOCATION=mode)
    pair = former_pair(user)
    clock.shift(1000)
    new = client.refresh(pair["refresh"]).json()
    assert client.get_me(new["access_token"]).status_code == 200
    assert client.send("logout/", {"refresh_token": pair["refresh"]}).status_code == 204
    assert client.is_dead(new)
