"""Tokens of other issuers, over HTTP: which user they stand for here, and what they can't do here."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.contrib.auth import get_user_model

from jwt_auth import sessions
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import UntrustedIssuerError
from jwt_auth.models import RegisteredClient, RevocationEvent
from jwt_auth.principals import ClaimsUser
from jwt_auth.revocation import revoke_all, revoke_token, revoke_user
from jwt_auth.verification import identify_only, verify
from tests.support.clocks import NOW
from tests.support.keys import public_pem

NAME = "https://issuer.example"

pytestmark = pytest.mark.usefixtures("clock", "db")


def principal(claims):
    """A PRINCIPAL of the project."""
    return None if claims.sub == "nobody" else ClaimsUser(claims)


@pytest.fixture
def trust(jwt_settings, ec_key):
    """`trust(**options)` trusts NAME, with its key and these options."""

    def change(name=NAME, **options: Any):
        jwt_settings(TRUSTED_ISSUERS={name: {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"], **options}})

    return change


@pytest.fixture
def sign(ec_key):
    """`sign(**claims)` returns a token as NAME makes it; Ellipsis removes a claim."""

    def make(key=ec_key, algorithm="ES256", headers=None, **claims):
        second = int(NOW.timestamp())
        good = {"iss": NAME, "aud": "jwt_auth", "sub": "alice", "iat": second, "exp": second + 300}
        values = {name: value for name, value in {**good, **claims}.items() if value is not ...}
        return jwt.encode(values, key, algorithm, headers={"typ": "at+jwt", **(headers or {})})

    return make


def test_a_token_of_another_issuer_is_good_when_it_is_trusted(client, trust, sign, django_assert_num_queries):
    raw = sign(sid="theirs", scope="read write", client_id="app")
    assert client.get_me(raw).status_code == 401
    trust()
    with django_assert_num_queries(0):
        response = client.get_me(raw)
    assert response.status_code == 200
    assert response.json()["user"] == {"iss": NAME, "sub": "alice"}
    assert (response.json()["session"], response.json()["scope"]) == ("theirs", "read write")


ENDPOINTS = {
    "sign out everywhere": ("logout/all/", "post", None, "sessions"),
    "list sessions": ("sessions/", "get", None, "sessions"),
    "end sessions": ("sessions/", "delete", None, "sessions"),
    "end a session": ("sessions/{session}/", "delete", None, "sessions"),
    "revoke a user": ("revoke/user/", "post", {"username": "{name}"}, "revoke_user"),
    "revoke a user, by other servers": (
        "revoke/global/",
        "post",
        {"sub_id": {"format": "iss_sub", "iss": "jwt_auth", "sub": "{sub}"}},
        "revoke_user",
    ),
    "list clients": ("clients/", "get", None, "clients"),
    "register a client": ("clients/", "post", {"client_name": "a", "username": "{name}", "key": {}}, "clients"),
}


@pytest.mark.parametrize(
    ("scope", "is_good"), [(..., False), ("{scope}", True), ("other {scope}", True), ("other", False), ("", False)]
)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_token_of_another_issuer_is_good_here_only_for_its_scopes(
    client, staff, trust, sign, endpoint, scope, is_good
):
    """A token for one purpose must not end a superuser's sessions, or make a credential that outlives it."""
    trust(PRINCIPAL="user", USER_FIELD=staff.USERNAME_FIELD)
    session = client.tokens(staff)
    path, method, body, needed = ENDPOINTS[endpoint]
    facts = {"session": session["session"], "name": staff.get_username(), "sub": user_id_of(staff)}
    path, body = path.format(**facts), filled(body, facts)
    scope = scope if scope is ... else scope.format(scope=needed)
    bearer = client.bearer(sign(sub=staff.get_username(), scope=scope))
    answer = bearer.get(f"/auth/{path}") if method == "get" else bearer.send(path, body, method=method)
    if is_good:
        assert answer.status_code in (200, 201, 204)
        return
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert f'scope="{needed}"' in answer["WWW-Authenticate"]
    assert not RevocationEvent.objects.exists()
    assert not RegisteredClient.objects.exists()
    assert client.get_me(session["access_token"]).status_code == 200


def filled(body, facts):
    """Return `body` with `facts` filled into its texts."""
    if isinstance(body, dict):
        return {name: filled(value, facts) for name, value in body.items()}
    return body.format(**facts) if isinstance(body, str) else body


@pytest.mark.parametrize("mode", ["database", "memory", "none"])
def test_no_query_is_made_in_any_mode(client, trust, sign, jwt_settings, mode, django_assert_num_queries):
    trust()
    jwt_settings(REVOCATION=mode)
    with django_assert_num_queries(0):
        assert client.get_me(sign()).status_code == 200
        assert verify(sign(), ask_database=True).user == ClaimsUser(verify(sign()).claims)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://server3.example"},
        {"aud": ...},
        {"exp": int(NOW.timestamp()) - 60},
        {"exp": int(NOW.timestamp()) + 301},
        {"iat": int(NOW.timestamp()) + 60},
        {"nbf": int(NOW.timestamp()) + 60},
        {"sub": ...},
        {"sub": 5},
        {"iss": "https://issuer.example/"},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": None}},
    ],
)
def test_its_claims_are_judged_like_any_other(client, trust, sign, claims):
    trust()
    assert client.get_me(sign()).status_code == 200
    assert client.get_me(sign(**claims)).status_code == 401


def test_its_public_key_is_no_secret_of_it(client, trust, sign, ec_key):
    """RFC 8725 section 2.1: it is not used as a secret, whatever the header says."""
    trust()
    from tests.support.forge import document, sign as sign_with_secret

    second = int(NOW.timestamp())
    claims = {"iss": NAME, "aud": "jwt_auth", "sub": "alice", "iat": second, "exp": second + 300}
    for header in ({"alg": "HS256", "typ": "at+jwt"}, {"alg": "ES256", "typ": "at+jwt"}):
        for secret in (public_pem(ec_key).encode(), public_pem(ec_key).strip().encode()):
            assert client.get_me(sign_with_secret(document(header), document(claims), secret)).status_code == 401


def test_an_issuer_signs_for_itself_alone(client, trust, sign, user, rsa_key):
    """Its key signs no tokens of ours, and our key signs none of its tokens."""
    trust()
    ours = sessions.start(user).access_token
    assert client.get_me(ours).status_code == 200
    assert client.get_me(sign(iss="jwt_auth", sub=str(user.pk))).status_code == 401
    assert client.get_me(sign(key=rsa_key, algorithm="RS256")).status_code == 401


def test_its_sessions_are_not_ours(client, trust, sign, user):
    """A `sid` that equals one of ours ends no session and identifies nobody."""
    trust()
    pair = sessions.start(user)
    raw = sign(sid=pair.session_id.hex, jti="x", client_id="app", auth_time=NOW.timestamp())
    assert client.get_me(raw).json()["user"] == {"iss": NAME, "sub": "alice"}
    assert client.send("revoke/", {"token": raw}).status_code == 200
    assert client.bearer(raw).send("logout/").status_code == 204
    assert client.get_me(pair.access_token).status_code == 200
    with pytest.raises(UntrustedIssuerError):
        identify_only(raw)
    assert identify_only(pair.access_token).sid == pair.session_id.hex


def test_it_is_not_revoked_here(trust, sign, user):
    """It would have no effect, so an error says so."""
    trust()
    with pytest.raises(ValueError, match="has to revoke its tokens itself"):
        revoke_token(verify(sign(jti="one")).claims)
    assert not RevocationEvent.objects.exists()
    revoke_token(verify(sessions.start(user).access_token).claims)
    assert RevocationEvent.objects.get().scope == "token"


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("logout/all/", "post"),
        ("sessions/", "get"),
        ("sessions/", "delete"),
        ("sessions/00000000-0000-0000-0000-000000000000/", "delete"),
        ("revoke/user/", "post"),
    ],
)
def test_who_is_nobody_here_has_no_account_here(client, trust, sign, path, method):
    trust()
    response = client.bearer(sign()).send(path, method=method)
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


# PRINCIPAL


@pytest.fixture
def by_name(trust, user, django_assert_num_queries):
    trust(PRINCIPAL="user", USER_FIELD=get_user_model().USERNAME_FIELD)
    return user.get_username()


def test_a_user_by_a_field_of_theirs(client, sign, user, by_name, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = client.get_me(sign(sub=by_name))
    assert response.json()["user"]["id"] == str(user.pk)
    assert client.get_me(sign(sub="bob")).status_code == 401
    assert client.get_me(sign(sub=f" {by_name}")).status_code == 401
    assert client.get_me(sign(sub=by_name.upper())).status_code == 401


@pytest.mark.parametrize("sub", ["alice", "9" * 255, "-1", "1.0", "0", "\u0661", "None", "true", "1e3"])
def test_what_can_not_be_a_key_is_nobodys(client, trust, sign, user, sub):
    trust(PRINCIPAL="user", USER_FIELD="pk")
    assert client.get_me(sign(sub=str(user.pk))).status_code == 200
    for wrong in (sub, f" {user.pk}", f"0{user.pk}", f"{user.pk}\u00a0"):
        assert client.get_me(sign(sub=wrong)).json()["code"] == "invalid_token"


@pytest.mark.parametrize("revoke", [revoke_user, lambda user: revoke_all()], ids=["the user", "everybody"])
def test_the_cutoffs_of_users_count(client, sign, user, by_name, clock, revoke):
    raw = sign(sub=by_name)
    assert client.get_me(raw).status_code == 200
    revoke(user)
    assert client.get_me(raw).json()["code"] == "token_revoked"
    # The issuer's clock may be ahead by the leeway: until then a new token could be from before the cutoff.
    for seconds, status in ((5, 401), (11, 200)):
        clock.move_to(NOW + timedelta(seconds=seconds))
        second = int(NOW.timestamp()) + seconds
        assert client.get_me(sign(sub=by_name, iat=second, exp=second + 60)).status_code == status


@pytest.mark.parametrize("claims", [{}, {"auth_time": int(NOW.timestamp()) + 60}], ids=["iat", "auth_time"])
def test_a_cutoff_of_a_clock_that_was_ahead_refuses_nobody_for_hours(client, sign, user, by_name, clock, claims):
    """Their issuer does not know the cutoff: a user who signs in there again must be let in here."""
    old = sign(sub=by_name)
    clock.shift(timedelta(hours=6))
    revoke_user(user)
    clock.move_to(NOW + timedelta(seconds=30))
    assert client.get_me(old).status_code == 401
    clock.move_to(NOW + timedelta(seconds=60))
    second = int(NOW.timestamp()) + 60
    assert client.get_me(sign(sub=by_name, iat=second, exp=second + 60, **claims)).status_code == 200
    assert client.get_me(old).status_code == 401


@pytest.mark.parametrize("names", [{}, {"auth_time": "signed_in"}])
@pytest.mark.parametrize("late", [1, 3600, 10**8])
def test_a_sign_in_after_the_issue_saves_no_token_from_a_cutoff(client, trust, sign, user, names, late):
    trust(PRINCIPAL="user", USER_FIELD="pk", CLAIMS=names)
    second = int(NOW.timestamp())
    raw = sign(sub=str(user.pk), **{names.get("auth_time", "auth_time"): second + late})
    assert client.get_me(raw).status_code == 200
    revoke_user(user)
    assert client.get_me(raw).json()["code"] == "token_revoked"


def test_a_sign_in_within_the_second_of_the_issue_is_not_later(trust, sign):
    """`iat` has whole seconds, and `auth_time` may have parts of one."""
    trust()
    second = int(NOW.timestamp())
    assert verify(sign(auth_time=second + 0.75)).claims.auth_time.timestamp() == second + 0.75
    assert verify(sign(auth_time=second + 1)).claims.auth_time is None


def test_an_inactive_user_is_refused(client, sign, user, by_name):
    """This includes users who were changed without a signal, and so have no cutoff."""
    assert client.get_me(sign(sub=by_name)).status_code == 200
    type(user)._base_manager.filter(pk=user.pk).update(is_active=False)
    assert client.get_me(sign(sub=by_name)).json()["code"] == "token_revoked"


def test_whom_the_project_names(client, trust, sign):
    trust(PRINCIPAL="tests.issuers.test_foreign.principal")
    assert client.get_me(sign()).status_code == 200
    assert client.get_me(sign(sub="nobody")).status_code == 401


@pytest.mark.parametrize("sub", ["alice", "1.0", "0x10", "\xb2", "None", "9" * 255, "urn:uuid:7", "{}"])
def test_a_sub_that_is_no_key_is_nobodys(client, trust, sign, user, sub):
    trust(PRINCIPAL="user", USER_FIELD="pk")
    assert client.get_me(sign(sub=sub)).status_code == 401
    assert client.get_me(sign(sub=str(user.pk))).status_code == 200


def local_user(claims):
    """A PRINCIPAL of the project that looks users up."""
    return get_user_model()._default_manager.filter(pk=claims.sub).first()


def passing_user(claims):
    """A PRINCIPAL of the project whose users have no rows."""
    return get_user_model()(pk=1, is_active=True)


class Guest:
    """A principal with the minimum that the documentation requires."""

    is_authenticated = True


def guest(claims):
    return Guest()


def test_a_user_whom_the_project_names_is_judged_as_ours(client, trust, sign, user, clock, django_assert_num_queries):
    trust(PRINCIPAL=local_user)
    raw = sign(sub=str(user.pk))
    with django_assert_num_queries(2):
        assert client.get_me(raw).status_code == 200
    revoke_user(user)
    assert client.get_me(raw).json()["code"] == "token_revoked"
    clock.shift(timedelta(seconds=11))  # the leeway, and the second of the cutoff itself
    second = int(NOW.timestamp()) + 11
    later = sign(sub=str(user.pk), iat=second, exp=second + 60)
    assert client.get_me(later).status_code == 200
    user.is_active = False
    user.save()
    assert client.get_me(later).json()["code"] == "token_revoked"


@pytest.mark.parametrize(
    "options",
    [{"PRINCIPAL": "user", "USER_FIELD": "pk"}, {"PRINCIPAL": local_user}],
    ids=["field", "function"],
)
def test_each_user_is_found_and_judged_alone(client, trust, sign, user, make_user, options):
    trust(**options)
    for revoked, other in ((user, make_user("bob")), (make_user("carol"), make_user("dave"))):
        revoke_user(revoked)
        assert client.get_me(sign(sub=str(revoked.pk))).json()["code"] == "token_revoked"
        assert client.get_me(sign(sub=str(other.pk))).json()["user"]["id"] == str(other.pk)


def test_a_user_who_went_while_the_project_named_them_is_nobody(client, trust, sign, user):
    trust(PRINCIPAL=lambda claims: user)
    assert client.get_me(sign()).status_code == 200
    get_user_model()._default_manager.filter(pk=user.pk).delete()
    assert client.get_me(sign()).status_code == 401


def test_a_user_in_no_table_has_nothing_to_be_judged_by(client, trust, sign, django_assert_num_queries):
    trust(PRINCIPAL=passing_user)
    with django_assert_num_queries(0):
        assert client.get_me(sign()).status_code == 200


@pytest.mark.parametrize(
    "path", ["introspect/", "revoke/global/", "revoke/user/", "clients/", "sessions/", "logout/all/"]
)
def test_a_principal_that_is_no_user_is_kept_out_of_what_users_do(client, trust, sign, path):
    trust(PRINCIPAL=guest)
    assert client.get_me(sign()).status_code == 200
    assert client.bearer(sign()).send(path).status_code == 403


# Shapes


def test_claims_by_other_names(trust, sign):
    trust(CLAIMS={"client_id": "azp", "scope": "scp", "sub": "oid"}, TYPES=["JWT", None])
    claims = verify(sign(azp="app", scp=["read", "write"], oid="an-oid", headers={"typ": "JWT"})).claims
    assert (claims.client_id, claims.scopes, claims.sub) == ("app", {"read", "write"}, "an-oid")
    assert claims.all["scp"] == ["read", "write"]
    assert verify(sign(oid="x", headers={"typ": None})).claims.scopes == frozenset()


def test_what_goes_by_another_name_is_not_taken_from_ours(trust, sign, client):
    trust(CLAIMS={"scope": "scp", "sub": "oid"})
    assert verify(sign(scope="admin", oid="x")).claims.scopes == frozenset()
    assert client.get_me(sign()).status_code == 401  # without an oid, `sub` is not used instead


def test_an_issuer_without_audiences(client, trust, sign):
    """Over HTTP; tests/test_claims.py has all cases."""
    trust(CLAIMS={"aud": "client_id"}, AUDIENCE=["app"])
    assert client.get_me(sign(aud=..., client_id="app")).json()["client_id"] == "app"
    for wrong in ({"client_id": "other"}, {}, {"client_id": "app", "aud": "jwt_auth"}):
        assert client.get_me(sign(**{"aud": ..., **wrong})).status_code == 401


def test_an_issuer_without_times_of_issue(client, trust, sign, user):
    """IdentityServer before 4.0. A cutoff refuses each token that may have been issued before it."""
    second = int(NOW.timestamp())
    for names, present in (({"iat": "nbf"}, {"nbf": second}), ({"iat": None}, {})):
        trust(CLAIMS=names, PRINCIPAL="user", USER_FIELD="pk")
        assert client.get_me(sign(sub=str(user.pk), iat=..., **present)).status_code == 200
        assert client.get_me(sign(sub=str(user.pk), iat=..., exp=second + 400, **present)).status_code == 401
    trust(PRINCIPAL="user", USER_FIELD="pk")
    assert client.get_me(sign(sub=str(user.pk), iat=...)).status_code == 401


def test_a_token_that_may_be_older_than_a_cutoff_is_refused(client, trust, sign, user, clock):
    trust(CLAIMS={"iat": None}, PRINCIPAL="user", USER_FIELD="pk")
    revoke_user(user)
    second = int(NOW.timestamp())
    for life in (60, 300):  # the issuer may have issued it 300 seconds before its end
        assert client.get_me(sign(sub=str(user.pk), iat=..., exp=second + life)).json()["code"] == "token_revoked"
    clock.shift(timedelta(seconds=11))
    assert client.get_me(sign(sub=str(user.pk), iat=..., exp=second + 310)).json()["code"] == "token_revoked"
    assert client.get_me(sign(sub=str(user.pk), iat=..., exp=second + 311)).status_code == 200


def test_tokens_of_programs_without_a_subject(client, trust, sign):
    trust(CLAIMS={"sub": "client_id"}, REQUIRE={"sub": None})
    assert client.get_me(sign(sub=..., client_id="robot")).json()["user"] == {"iss": NAME, "sub": "robot"}
    assert client.get_me(sign(sub="alice", client_id="robot")).status_code == 401


@pytest.mark.parametrize("cnf", [{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {}, None])
def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(client, trust, sign, cnf):
    """A thief could otherwise use it without the key, and nothing here would notice."""
    trust()
    assert client.get_me(sign()).status_code == 200
    assert client.get_me(sign(cnf=cnf)).json()["code"] == "invalid_token"


@pytest.mark.parametrize("scope", [["read", 5], {"read": 1}, 5, True, ["a\nb"]])
def test_a_scope_that_is_none(client, trust, sign, scope):
    trust()
    assert client.get_me(sign(scope=["read"])).status_code == 200
    assert client.get_me(sign(scope=scope)).status_code == 401


def test_required_values(client, trust, sign):
    trust(REQUIRE={"typ": "Bearer", "ver": ["1.0", "2.0"]})
    assert client.get_me(sign(typ="Bearer", ver="2.0")).status_code == 200
    for wrong in ({"typ": "ID", "ver": "2.0"}, {"ver": "2.0"}, {"typ": "Bearer", "ver": ["2.0"]}, {"typ": "Bearer"}):
        assert client.get_me(sign(**wrong)).status_code == 401


def test_one_of_several_audiences_is_enough(client, trust, sign):
    trust(AUDIENCE=["web", "app"])
    assert client.get_me(sign(aud=["account", "app"])).status_code == 200
    assert client.get_me(sign(aud="web")).status_code == 200
    assert client.get_me(sign()).status_code == 401


# Single-use tokens


def test_each_token_of_such_an_issuer_is_single_use(client, trust, sign):
    trust(ONE_TIME=True)
    raw = sign(jti="x")
    assert client.get_me(raw).status_code == 200
    assert client.get_me(raw).json()["code"] == "token_replayed"
    assert client.get_me(sign(jti="x", sub="bob")).json()["code"] == "token_replayed"
    assert client.get_me(sign(jti="y")).status_code == 200


def test_a_token_may_say_so_of_itself(client, trust, sign):
    trust()
    once, often = sign(jti="x", one_time=True), sign(jti="y", one_time=False)
    assert [client.get_me(once).status_code for _ in range(2)] == [200, 401]
    assert [client.get_me(often).status_code for _ in range(2)] == [200, 200]


def test_one_without_a_name_could_not_be_told_from_another(client, trust, sign):
    trust()
    assert client.get_me(sign(one_time=True)).json()["code"] == "invalid_token"
    trust(ONE_TIME=True, CLAIMS={"jti": "uti"})
    assert client.get_me(sign(jti="x")).json()["code"] == "invalid_token"
    assert [client.get_me(sign(uti="x")).status_code for _ in range(2)] == [200, 401]


def test_each_issuer_has_names_of_its_own(client, trust, sign, jwt_settings, ec_key):
    entry = {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"], "ONE_TIME": True}
    jwt_settings(TRUSTED_ISSUERS={NAME: entry, "https://other.example": entry})
    assert client.get_me(sign(jti="x")).status_code == 200
    assert client.get_me(sign(jti="x", iss="https://other.example")).status_code == 200


def test_a_token_that_is_refused_for_another_reason_is_not_used_up(client, trust, sign, user):
    trust(ONE_TIME=True, PRINCIPAL="user", USER_FIELD=user.USERNAME_FIELD)
    user.is_active = False
    user.save()
    raw = sign(jti="x", sub=user.get_username())
    assert client.get_me(raw).json()["code"] == "token_revoked"
    get_user_model()._default_manager.filter(pk=user.pk).update(is_active=True)
    trust(ONE_TIME=True)
    assert client.get_me(raw).status_code == 200


def test_asking_about_it_does_not_use_it_up(client, trust, sign):
    trust(ONE_TIME=True)
    raw = sign(jti="x")
    assert client.send("verify/", {"token": raw}).status_code == 200
    assert verify(raw).one_time
    assert client.get_me(raw).status_code == 200


# REVOCATION = "none"


def test_nothing_is_looked_up(client, user, jwt_settings, django_assert_num_queries):
    raw = sessions.start(user).access_token
    jwt_settings(REVOCATION="none")
    with django_assert_num_queries(0):
        response = client.get_me(raw)
    assert response.json()["user"] == {"iss": "jwt_auth", "sub": str(user.pk)}
    user.delete()
    assert client.get_me(raw).status_code == 200
