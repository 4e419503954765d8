"""RFC 7662, over HTTP: the permission to ask, the answers about valid tokens, and the short answer about all others."""

from datetime import timedelta
from urllib.parse import urlencode

import jwt
import pytest
from django.contrib.auth.models import Permission

from jwt_auth.claims import moment
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.jose.keys import make_key
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_token, revoke_user
from jwt_auth.verification import identify_only
from jwt_auth.views.introspection import introspect, sign
from tests.support.answers import assert_error
from tests.support.api_clients import register
from tests.support.clocks import NOW
from tests.support.entry_points import assert_refused_everywhere
from tests.support.keys import pem, public_pem
from tests.support.outages import outage

URL = "/auth/introspect/"
INACTIVE = {"active": False}


@pytest.fixture
def asking(client, make_user, clock):
    """A client of a user who may introspect, and nothing else."""
    inspector = make_user("inspector")
    inspector.user_permissions.add(Permission.objects.get(codename="introspect"))
    return client.bearer(client.tokens(inspector)["access_token"])


def ask(asking, raw, **extra):
    body = urlencode({"token": raw, **extra})
    answer = asking.generic("POST", URL, body, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store"), answer.content
    return answer.json()


def test_a_good_access_token_is_told_with_its_claims(asking, user, pair):
    session = UserSession.objects.get(user=user)
    claims = identify_only(pair["access_token"])
    assert ask(asking, pair["access_token"]) == {
        "active": True,
        "token_type": "Bearer",
        "iss": "jwt_auth",
        "amr": ["pwd"],
        "aud": "jwt_auth",
        "sub": user_id_of(user),
        "client_id": "jwt_auth",
        "sid": session.sid,
        "jti": claims.jti,
        "auth_time": session.started_at.timestamp(),
        "iat": claims.iat,
        "exp": claims.exp,
    }


def test_what_the_project_adds_to_tokens_is_not_told(asking, client, user, jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"diagnosis": "private"})
    found = ask(asking, client.tokens(user)["access_token"])
    assert found["active"]
    assert "diagnosis" not in found


def test_a_good_refresh_token_is_told_with_its_session(asking, client, user, pair):
    UserSession.objects.update(acr="2")
    session = UserSession.objects.get(user=user)
    told = {
        "active": True,
        "iss": "jwt_auth",
        "sub": user_id_of(user),
        "client_id": "jwt_auth",
        "sid": session.sid,
        "amr": ["pwd"],
        "acr": "2",
        "auth_time": session.started_at.timestamp(),
        "exp": int(session.expires_at.timestamp()),
    }
    assert ask(asking, pair["refresh_token"]) == told
    for hint in ("refresh_token", "access_token", "nonsense", ""):
        assert ask(asking, pair["refresh_token"], token_type_hint=hint) == told
    assert client.refresh(pair["refresh_token"]).status_code == 200  # introspection did not use it up


def test_a_json_body_does_as_well(asking, pair):
    assert asking.send("introspect/", {"token": pair["access_token"]}).json()["active"] is True


def test_the_moment_can_be_said(pair):
    soon, late = NOW + timedelta(seconds=60), NOW + timedelta(days=60)
    for raw in (pair["access_token"], pair["refresh_token"]):
        assert introspect(raw, now=soon)["active"] is True
        assert introspect(raw, now=late) == INACTIVE
    signed = jwt.decode(sign(INACTIVE, "them", now=soon), options={"verify_signature": False})
    assert signed["iat"] == int(soon.timestamp())


# Inactive


def logout(client, user, pair, clock):
    client.send("logout/", {"refresh_token": pair["refresh_token"]})


def revoke(client, user, pair, clock):
    revoke_user(user)


def deactivate(client, user, pair, clock):
    user.is_active = False
    user.save()


def change_password(client, user, pair, clock):
    user.set_password("another horse")
    user.save()


def delete(client, user, pair, clock):
    user.delete()


def end_of_session(client, user, pair, clock):
    UserSession.objects.filter(user=user).update(idle_expires_at=NOW)


@pytest.mark.parametrize("operation", [logout, revoke, deactivate, change_password, delete, end_of_session])
def test_both_tokens_of_what_is_over_are_inactive_and_nothing_else(asking, client, user, pair, clock, operation):
    tokens = [pair["access_token"], pair["refresh_token"]]
    assert all(ask(asking, raw)["active"] for raw in tokens)
    operation(client, user, pair, clock)
    assert [ask(asking, raw) for raw in tokens] == [INACTIVE, INACTIVE]


def test_a_denied_token_is_inactive_and_its_session_is_not(asking, pair):
    revoke_token(identify_only(pair["access_token"]))
    assert ask(asking, pair["access_token"]) == INACTIVE
    assert ask(asking, pair["refresh_token"])["active"] is True


def test_an_expired_token_is_inactive(asking, client, make_user, pair, clock):
    assert ask(asking, pair["access_token"])["active"] is True
    clock.move_to(identify_only(pair["access_token"]).expires_at + timedelta(seconds=10))
    inspector = make_user("second")
    inspector.user_permissions.add(Permission.objects.get(codename="introspect"))
    later = client.bearer(client.tokens(inspector)["access_token"])
    assert ask(later, pair["access_token"]) == INACTIVE
    assert ask(later, pair["refresh_token"])["active"] is True


def test_a_used_refresh_token_is_inactive_and_looking_ends_nothing(asking, client, pair, clock):
    successor = client.refresh(pair["refresh_token"]).json()["refresh_token"]
    assert ask(asking, pair["refresh_token"])["active"] is True  # within the leeway
    clock.shift(121)
    assert ask(asking, pair["refresh_token"]) == INACTIVE
    assert ask(asking, successor)["active"] is True
    assert not UserSession.objects.exclude(revoked_at=None).exists()


def test_what_is_not_for_this_server_is_inactive(asking, client, user, pair, jwt_settings, ec_key):
    assert ask(asking, pair["access_token"])["active"] is True
    audience, scheme = "https://two.example.com", "urn:ietf:params:oauth"
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key), SERVICE_AUDIENCES={audience: {"USERS": ["read"]}})
    pair = client.tokens(user)
    body = {"subject_token": pair["access_token"], "subject_token_type": f"{scheme}:token-type:access_token"}
    grant = {"grant_type": f"{scheme}:grant-type:token-exchange", "audience": audience}
    service = client.send("token/", {**body, **grant}).json()["access_token"]
    inspector = client.bearer(client.tokens(user)["access_token"])
    user.user_permissions.add(Permission.objects.get(codename="introspect"))
    assert ask(inspector, pair["access_token"])["active"] is True
    assert ask(inspector, service) == INACTIVE
    assert ask(inspector, client.get("/auth/.well-known/revocations").content.decode()) == INACTIVE


@pytest.mark.parametrize("raw", ["x", "a.b.c", "x" * 9000, "\u00e9", f"{'0' * 32}.0.{'A' * 43}", "." * 100])
def test_garbage_is_inactive(asking, raw):
    assert ask(asking, raw) == INACTIVE


def test_a_refresh_token_of_no_session_is_inactive(asking, user, pair):
    assert ask(asking, pair["refresh_token"])["active"] is True
    UserSession.objects.filter(user=user).delete()
    assert ask(asking, pair["refresh_token"]) == INACTIVE


# Permissions, methods and bodies


def test_others_may_not_ask(client, make_user, pair):
    other = client.bearer(client.tokens(make_user("bob"))["access_token"])
    assert_error(other.send("introspect/", {"token": pair["access_token"]}), 403, "permission_denied")
    assert_error(client.send("introspect/", {"token": pair["access_token"]}), 401, "not_authenticated")


def test_a_token_says_nothing_of_itself_by_coming(client, pair):
    own = client.bearer(pair["access_token"])
    assert_error(own.send("introspect/", {"token": pair["access_token"]}), 403, "permission_denied")


def test_a_cookie_is_no_credential(client, staff, pair):
    client.cookies["__Host-Http-access"] = client.tokens(staff)["access_token"]
    assert_error(client.send("introspect/", {"token": pair["access_token"]}), 401, "not_authenticated")


def test_a_token_in_the_address_is_not_read(asking, pair):
    assert asking.get(f"{URL}?token={pair['access_token']}").status_code == 405
    answer = asking.generic("POST", f"{URL}?token={pair['access_token']}", b"{}", content_type="application/json")
    assert_error(answer, 400, "invalid_request")


def test_a_caller_that_asks_too_often_waits(asking, pair, settings):
    rates = {"jwt_auth_introspect": "1/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    ask(asking, pair["access_token"])
    assert_error(asking.send("introspect/", {"token": pair["access_token"]}), 429, "throttled")


def test_in_an_outage_nothing_is_called_inactive(asking, pair):
    with outage(after=3):  # the caller is authenticated, and permitted
        answer = asking.send("introspect/", {"token": pair["access_token"]})
    assert_error(answer, 503, "unavailable")


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_it_costs_one_query_beside_those_for_the_caller(asking, pair, name, django_assert_num_queries):
    with django_assert_num_queries(3 + 1):
        ask(asking, pair[name])


# Clients


def as_client(client, api, raw, **extra):
    return client.bearer(api.token()).send("introspect/", {"token": raw}, **extra)


def test_a_client_asks_by_its_scope(client, make_user, pair):
    api = register(make_user("robot"), scopes="introspect")
    answer = as_client(client, api, pair["access_token"])
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    assert as_client(client, api, pair["refresh_token"]).json()["active"] is True
    assert as_client(client, api, "x").json() == INACTIVE


@pytest.mark.parametrize("scopes", ["read write", "Introspect"])
def test_a_client_without_the_scope_may_not_ask_whichever_user_it_acts_as(client, staff, pair, scopes):
    api = register(staff, scopes=scopes)
    answer = as_client(client, api, pair["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="introspect"' in answer["WWW-Authenticate"]


def test_a_client_token_with_less_scope_may_not_ask(client, make_user, pair):
    api = register(make_user("robot"), scopes="introspect read")
    answer = client.bearer(api.token(scope="read")).send("introspect/", {"token": pair["access_token"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_client_token_is_inactive(client, make_user, asking):
    api = register(make_user("robot"), scopes="introspect")
    assert ask(asking, api.token()) == INACTIVE
    assert as_client(client, api, api.token()).json() == INACTIVE


def test_a_signed_answer_names_the_client_that_asked(client, make_user, clock, jwt_settings, ec_key):
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    api = register(make_user("robot"), scopes="introspect")
    raw = as_client(client, api, "x", HTTP_ACCEPT=SIGNED).content.decode()
    assert jwt.decode(raw, options={"verify_signature": False})["aud"] == api.client_id


# Users of another issuer


def test_the_token_of_another_issuer_must_name_the_scope(client, staff, pair, jwt_settings, rsa_key):
    there = "https://there.example.com"
    options = {"KEYS": public_pem(rsa_key), "ALGORITHMS": ["RS256"], "AUDIENCE": "jwt_auth"}
    principal = {"PRINCIPAL": "user", "USER_FIELD": staff.USERNAME_FIELD}
    jwt_settings(TRUSTED_ISSUERS={there: {**options, **principal}})
    now = int(NOW.timestamp())

    def answer(**changes):
        claims = {"iss": there, "aud": "jwt_auth", "sub": staff.get_username(), "iat": now, "exp": now + 60, **changes}
        headers = {"typ": "at+jwt", "kid": make_key(rsa_key, "RS256").kid}
        raw = jwt.encode(claims, rsa_key, algorithm="RS256", headers=headers)
        return client.bearer(raw).send("introspect/", {"token": pair["access_token"]})

    assert answer(scope="read introspect").status_code == 200
    for refused in (answer(scope="read"), answer(scope=""), answer()):
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


# Signed answers (RFC 9701)

SIGNED = "application/token-introspection+jwt"


def ask_signed(asking, raw, accept=SIGNED):
    return asking.send("introspect/", {"token": raw}, HTTP_ACCEPT=accept)


@pytest.fixture
def key_pair(jwt_settings, ec_key):
    jwt_settings(ISSUER="https://one.example.com", ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    return ec_key


def test_an_answer_can_be_signed_for_the_one_who_asks(key_pair, asking, pair):
    answer = ask_signed(asking, pair["access_token"], f"text/html, {SIGNED};q=0.9")
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (200, SIGNED, "no-store")
    raw = answer.content.decode()
    header = jwt.get_unverified_header(raw)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", "ES256")
    caller = jwt.decode(asking._credentials["HTTP_AUTHORIZATION"][7:], options={"verify_signature": False})["sub"]
    options = {"verify_iat": False}
    claims = jwt.decode(raw, public_pem(key_pair), algorithms=["ES256"], audience=caller, options=options)
    assert claims.pop("jti")
    assert claims == {
        "iss": "https://one.example.com",
        "aud": caller,
        "iat": int(NOW.timestamp()),
        "token_introspection": ask(asking, pair["access_token"]),
    }
    assert moment(claims["iat"]) <= NOW


def test_a_signed_answer_about_a_bad_token_says_as_little(key_pair, asking):
    raw = ask_signed(asking, "x").content.decode()
    assert jwt.decode(raw, options={"verify_signature": False})["token_introspection"] == INACTIVE


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/*", "application/jwt"])
def test_a_caller_that_does_not_ask_for_it_by_name_gets_json(key_pair, asking, pair, accept):
    assert ask_signed(asking, pair["access_token"], accept).json()["active"] is True


def test_a_secret_signs_no_answers(asking, pair):
    assert ask_signed(asking, pair["access_token"]).json()["active"] is True


def test_a_signed_answer_is_refused_wherever_a_token_is_expected(key_pair, asking, client, pair):
    raw = ask_signed(asking, pair["access_token"]).content.decode()
    assert ask(asking, raw) == INACTIVE
    assert_refused_everywhere(client, raw)
