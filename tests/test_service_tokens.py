"""Tokens for other servers, over HTTP (RFC 8693) and from code, and the answer of each entry point to them."""

from base64 import b64encode
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from urllib.parse import urlencode

import jwt
import pytest

from jwt_auth import service_tokens, sessions
from jwt_auth.authentication.assertions import JWT_BEARER
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import ExpiredTokenError, InvalidClaimError, InvalidScopeError, InvalidTargetError
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import make_key
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import disable_client, revoke_all, revoke_session, revoke_user
from jwt_auth.signals import service_token_issued
from jwt_auth.verification import identify_only, verify
from tests.support.api_clients import register
from tests.support.clocks import NOW
from tests.support.entry_points import assert_refused_everywhere
from tests.support.keys import pem, public_pem
from tests.support.outages import outage

ONE, TWO, THREE = "https://one.example.com", "https://two.example.com", "https://three.example.com"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
URL = "/auth/token/"


@pytest.fixture(autouse=True)
def _two_audiences(jwt_settings, ec_key):
    jwt_settings(
        ISSUER=ONE,
        ALGORITHM="ES256",
        SIGNING_KEY=pem(ec_key),
        SERVICE_AUDIENCES={
            TWO: {"USERS": ["read", "write"]},
            THREE: {"CLIENTS": {"client_7": ["read"]}, "LIFETIME": timedelta(seconds=60), "ONE_TIME": True},
        },
    )


@pytest.fixture
def token(client, user, clock):
    """An access token of alice for this server."""
    return client.tokens(user)["access_token"]


def parameters(token, **changes):
    """Return a valid request with changes; None leaves a parameter out."""
    known = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS, "audience": TWO}
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def post(client, body, **extra):
    return client.generic("POST", URL, body, content_type="application/x-www-form-urlencoded", **extra)


def ask(client, token, **changes):
    return post(client, urlencode(parameters(token, **changes)))


def decode(client, raw, audience=TWO):
    """Verify the token as the other server does, with the published keys, and return the claims."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in client.get("/auth/.well-known/jwks.json").json()["keys"]}
    header = jwt.get_unverified_header(raw)
    assert header["typ"] == "at+jwt"
    options = {"verify_exp": False, "verify_iat": False}  # PyJWT does not use the clock of the test
    return jwt.decode(raw, keys[header["kid"]], algorithms=["ES256"], audience=audience, issuer=ONE, options=options)


def assert_error(answer, error, code=None, status=400):
    body = answer.json()
    assert (answer.status_code, body["error"], body["code"]) == (status, error, code or error), body
    assert body["error_description"] == body["detail"]
    assert set(body) - {"errors"} == {"error", "error_description", "code", "detail"}
    assert answer["Cache-Control"] == "no-store"
    assert "WWW-Authenticate" not in answer


# Issued tokens


def test_a_user_gets_a_token_for_another_server(client, user, token):
    answer = ask(client, token, scope="read")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    body = answer.json()
    raw = body.pop("access_token")
    assert body == {"issued_token_type": ACCESS, "token_type": "Bearer", "expires_in": 120, "scope": "read"}
    session = UserSession.objects.get()
    claims = decode(client, raw)
    jti = claims.pop("jti")
    now = int(NOW.timestamp())
    assert claims == {
        "iss": ONE,
        "aud": TWO,
        "sub": user_id_of(user),
        "client_id": ONE,
        "sid": session.sid,
        "amr": ["pwd"],
        "auth_time": session.started_at.timestamp(),
        "iat": now,
        "exp": now + 120,
        "scope": "read",
    }
    assert len(jti) == 22
    assert decode(client, ask(client, token).json()["access_token"])["jti"] != jti


def test_a_json_body_does_as_well(client, token):
    answer = client.send("token/", parameters(token))
    assert (answer.status_code, answer.json()["scope"]) == (200, "read write")


def test_without_a_wish_it_has_all_the_scope_that_may_be_had(client, token):
    for nothing in (None, ""):
        assert ask(client, token, scope=nothing).json()["scope"] == "read write"
    assert ask(client, token, scope="write read read").json()["scope"] == "read write"


def test_a_token_that_names_scopes_gets_no_others(client, token):
    limited = tokens.encode({**identify_only(token).as_dict(), "scope": "read more"}, own_keys().signing, "at+jwt")
    assert ask(client, limited).json()["scope"] == "read"
    assert_error(ask(client, limited, scope="write"), "invalid_scope")
    assert ask(client, token, scope="write").json()["scope"] == "write"


@pytest.mark.parametrize("scope", ["other", ""])
def test_a_token_that_would_get_no_scope_gets_no_token(client, token, scope):
    """A reader might take a token without scopes for one without limits."""
    limited = tokens.encode({**identify_only(token).as_dict(), "scope": scope}, own_keys().signing, "at+jwt")
    assert_error(ask(client, limited), "invalid_scope")
    assert ask(client, token).status_code == 200


def test_unknown_parameters_and_those_without_a_value_are_ignored(client, token):
    extra = {"foo": "bar", "resource": "", "actor_token": "", "actor_token_type": "", "requested_token_type": ACCESS}
    assert ask(client, token, **extra, client_assertion="", client_assertion_type="").status_code == 200


def test_it_never_outlives_its_session(client, token, clock):
    session = UserSession.objects.get()
    UserSession.objects.update(idle_expires_at=NOW + timedelta(seconds=45, milliseconds=700))
    body = ask(client, token).json()
    assert decode(client, body["access_token"])["exp"] == int(NOW.timestamp()) + 45
    assert body["expires_in"] == 45
    UserSession.objects.update(idle_expires_at=session.idle_expires_at)
    assert ask(client, token).json()["expires_in"] == 120


def test_the_absolute_end_of_the_session_counts_too(client, token, jwt_settings):
    jwt_settings(SERVICE_TOKEN_LIFETIME=timedelta(seconds=300))
    assert ask(client, token).json()["expires_in"] == 300
    UserSession.objects.update(expires_at=NOW + timedelta(seconds=200))
    assert ask(client, token).json()["expires_in"] == 200


def test_another_server_learns_how_the_user_was_authenticated(client, user):
    pair = sessions.start(user, amr=["hwk"], acr="2")
    asked = ask(client, pair.access_token, scope="read").json()["access_token"]
    given = service_tokens.issue(user, TWO, session=UserSession.objects.get()).access_token
    for raw in (asked, given):
        claims = decode(client, raw)
        assert (claims["amr"], claims["acr"]) == (["hwk"], "2")
    assert not {"amr", "acr"} & decode(client, service_tokens.issue(user, TWO).access_token).keys()


def test_a_refresh_keeps_the_auth_time(client, user, clock):
    pair = client.tokens(user)
    clock.shift(100)
    pair = client.refresh(pair["refresh_token"]).json()
    claims = decode(client, ask(client, pair["access_token"]).json()["access_token"])
    assert (claims["auth_time"], claims["iat"]) == (NOW.timestamp(), int(NOW.timestamp()) + 100)


def test_it_costs_one_query(client, token, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert ask(client, token).status_code == 200


def test_each_one_is_told_and_logged_without_the_token(client, user, token, caplog):
    caplog.set_level("INFO", "jwt_auth")
    seen = []

    def receive(claims, user, actor, **kwargs):
        seen.append((claims.aud, user.pk, actor))

    service_token_issued.connect(receive)
    try:
        raw = ask(client, token).json()["access_token"]
    finally:
        service_token_issued.disconnect(receive)
    assert seen == [((TWO,), user.pk, None)]
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "service_token_issued"]
    facts = (record.user_id, record.sid, record.audience, record.token_scope, record.client_id)
    assert facts == (str(user.pk), UserSession.objects.get().sid, TWO, "read write", "")
    assert record.jti == decode(client, raw)["jti"]
    assert raw not in caplog.text


def test_the_moment_can_be_said(client, user, token):
    later, too_late = NOW + timedelta(seconds=60), NOW + timedelta(hours=1)
    for given in (service_tokens.exchange(token, TWO, now=later), service_tokens.issue(user, TWO, now=later)):
        assert decode(client, given.access_token)["iat"] == int(later.timestamp())
        assert not service_tokens.revoke(given.access_token, now=too_late)
        assert service_tokens.revoke(given.access_token, now=later)
        assert RevocationEvent.objects.latest("pk").created_at == later
    with pytest.raises(ExpiredTokenError):
        service_tokens.exchange(token, TWO, now=too_late)


def test_where_no_other_server_is_named_no_token_is_revoked(client, token, settings, jwt_settings):
    """A user's token for this server is not revoked either, because its audience is this server."""
    audiences, raw = settings.JWT_AUTH["SERVICE_AUDIENCES"], service_tokens.exchange(token, TWO).access_token
    jwt_settings(SERVICE_AUDIENCES={})
    assert not service_tokens.revoke(raw)
    assert not service_tokens.revoke(token)
    assert client.get_me(token).status_code == 200
    jwt_settings(SERVICE_AUDIENCES=audiences)
    assert not service_tokens.revoke(token)
    assert service_tokens.revoke(raw)


# Refusals


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": f"{GRANT} "}, "unsupported_grant_type"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"audience": None}, "invalid_target"),
        ({"audience": "https://four.example.com"}, "invalid_target"),
        ({"audience": f"{TWO}/"}, "invalid_target"),
        ({"audience": TWO.upper()}, "invalid_target"),
        ({"audience": ONE}, "invalid_target"),  # ourselves
        ({"audience": THREE}, "invalid_target"),  # for clients alone
        ({"audience": f"{TWO} {THREE}"}, "invalid_target"),
        ({"resource": TWO}, "invalid_target"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "read admin"}, "invalid_scope"),
        ({"scope": "READ"}, "invalid_scope"),
        ({"scope": "read  write"}, "invalid_scope"),
        ({"scope": "read\twrite"}, "invalid_scope"),
        ({"scope": 'read"'}, "invalid_scope"),
    ],
)
def test_each_fault_has_its_error(client, token, changes, error):
    assert ask(client, token).status_code == 200
    assert_error(ask(client, token, **changes), error)
    assert_error(client.send("token/", parameters(token, **changes)), error)


@pytest.mark.parametrize("value", [7, None, ["a"], {"a": "b"}, True])
@pytest.mark.parametrize("name", ["grant_type", "subject_token", "subject_token_type", "audience", "scope"])
def test_a_parameter_of_another_type_is_an_invalid_request(client, token, name, value):
    body = {**parameters(token), name: value}
    answer = client.send("token/", body)
    assert (answer.status_code, answer.json()["error"]) in ((400, "invalid_request"), (400, "invalid_target"))


@pytest.mark.parametrize("name", ["audience", "scope", "subject_token", "grant_type"])
def test_a_parameter_that_comes_twice_is_an_invalid_request(client, token, name):
    body = urlencode(parameters(token, scope="read"))
    assert post(client, body).status_code == 200
    assert_error(post(client, f"{body}&{name}=x"), "invalid_request")
    json_body = client.send("token/", parameters(token, scope="read"))
    assert json_body.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"\xff",
        b"subject_token=%FF",
        b"&" * 200,
        b"a=b&" * 200,
        b"x" * 70000,
        "audience=\udcff".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_form_that_is_none_is_an_invalid_request(client, db, body):
    assert_error(post(client, body), "invalid_request")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"[" * 100_000, b'{"a":' * 100_000, b'{"audience":"a","audience":"b"}', b"\xef\xbb\xbf{}"],
)
def test_json_that_is_none_is_an_invalid_request(client, db, body):
    assert_error(client.generic("POST", URL, body, content_type="application/json"), "invalid_request")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "", "application/jwt"])
def test_another_media_type_is_an_invalid_request(client, token, kind):
    body = urlencode(parameters(token)).encode()
    answer = client.generic("POST", URL, body, content_type=kind)
    assert_error(answer, "invalid_request", "unsupported_media_type", 415)


def test_parameters_in_the_address_are_none(client, token):
    assert_error(
        client.generic(
            "POST", f"{URL}?{urlencode(parameters(token))}", b"", content_type="application/x-www-form-urlencoded"
        ),
        "invalid_request",
    )
    assert client.get(f"{URL}?{urlencode(parameters(token))}").status_code == 405


def test_a_caller_that_asks_too_often_waits(client, token, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"jwt_auth_exchange": "1/min"}}
    assert ask(client, token).status_code == 200
    answer = ask(client, token)
    assert_error(answer, "temporarily_unavailable", "throttled", 429)
    assert 0 < int(answer["Retry-After"]) <= 60


def test_in_an_outage_nothing_is_given(client, token):
    with outage():
        answer = ask(client, token)
    assert_error(answer, "temporarily_unavailable", "unavailable", 503)
    assert answer["Retry-After"] == "1"


def test_a_crash_is_a_crash(client, token, monkeypatch):
    monkeypatch.setattr(service_tokens, "exchange", None)
    assert ask(client, token).status_code == 500


# The subject token


def end_session(user):
    revoke_session(UserSession.objects.get().pk)


def everything(user):
    revoke_all()


def delete(user):
    user.delete()


def deactivate(user):
    user.is_active = False
    user.save()


def deactivate_behind_our_back(user):
    type(user)._default_manager.filter(pk=user.pk).update(is_active=False)


def change_password(user):
    user.set_password("another horse")
    user.save()


@pytest.mark.parametrize("revocation", ["database", "memory"])
@pytest.mark.parametrize(
    "operation",
    [
        end_session,
        revoke_user,
        everything,
        deactivate,
        deactivate_behind_our_back,
        change_password,
        delete,
    ],
)
@pytest.mark.every_value
def test_a_revoked_token_buys_nothing(client, user, clock, jwt_settings, revocation, operation):
    jwt_settings(REVOCATION=revocation)
    token = client.tokens(user)["access_token"]
    assert ask(client, token).status_code == 200
    operation(user)
    assert_error(ask(client, token), "invalid_request", "token_revoked")


def test_an_expired_token_buys_nothing(client, token, clock):
    clock.shift(311)
    assert_error(ask(client, token), "invalid_request", "token_expired")


@pytest.mark.parametrize("raw", ["x", "a.b.c", "x" * 9000, "\u00e9"])
def test_garbage_buys_nothing(client, db, raw):
    assert_error(ask(client, raw), "invalid_request", "invalid_token")


def test_other_kinds_of_tokens_buy_nothing(client, user, clock):
    pair = client.tokens(user)
    feed = client.get("/auth/.well-known/revocations").content.decode()
    service = ask(client, pair["access_token"]).json()["access_token"]
    for raw in (pair["refresh_token"], feed, service):
        assert_error(ask(client, raw), "invalid_request", "invalid_token")
    assert ask(client, pair["access_token"]).status_code == 200


def test_a_token_of_another_server_buys_nothing(client, token, jwt_settings, rsa_key):
    trusted = {"KEYS": public_pem(rsa_key), "ALGORITHMS": ["RS256"]}
    jwt_settings(TRUSTED_ISSUERS={THREE: trusted})
    foreign = {**jwt.decode(token, options={"verify_signature": False}), "iss": THREE}
    kid = make_key(rsa_key, "RS256").kid
    raw = jwt.encode(foreign, rsa_key, algorithm="RS256", headers={"typ": "at+jwt", "kid": kid})
    assert verify(raw).claims.iss == THREE
    assert_error(ask(client, raw), "invalid_request", "invalid_token")
    assert ask(client, token).status_code == 200


def test_the_token_in_a_cookie_or_a_header_buys_nothing(client, token):
    body = urlencode(parameters(token, subject_token=None))
    client.cookies["__Host-Http-access"] = token
    assert_error(post(client, body), "invalid_request")


# A service token, and the entry points of this server


def test_it_is_good_for_nothing_here(client, token):
    service = ask(client, token).json()["access_token"]
    with pytest.raises(InvalidClaimError, match="aud"):
        verify(service)
    assert client.get_me(service).status_code == 401
    assert client.get_me(token).status_code == 200


def test_it_is_refused_wherever_a_token_of_ours_is_expected(client, token):
    assert_refused_everywhere(client, ask(client, token).json()["access_token"])


def test_its_holder_ends_no_session_with_it(client, token):
    assert_refused_everywhere(client, ask(client, token).json()["access_token"])
    assert client.get_me(token).status_code == 200
    client.send("revoke/", {"token": token})  # the control
    assert client.get_me(token).status_code == 401


def denied():
    return set(RevocationEvent.objects.filter(scope="token").values_list("subject", "reason"))


def test_its_holder_may_revoke_that_token_alone(client, token):
    raw = ask(client, token).json()["access_token"]
    jti = decode(client, raw)["jti"]
    for _ in range(2):
        assert client.send("revoke/", {"token": raw}).status_code == 200
    assert denied() == {(f"{ONE} {jti}", "revoked by its holder")}
    assert RevocationEvent.objects.count() == 1
    document = client.get("/auth/.well-known/revocations").content.decode()
    (event,) = jwt.decode(document, options={"verify_signature": False})["events"]
    assert event["subject"] == f"{ONE} {jti}"
    assert client.get_me(token).status_code == 200


def test_what_is_over_or_none_of_ours_is_not_revoked(client, token, clock, jwt_settings, settings):
    raw = ask(client, token).json()["access_token"]
    for other in (raw[:-3] + "AAA", "x"):
        assert not service_tokens.revoke(other)
    clock.shift(120 + 60)
    assert not service_tokens.revoke(raw)
    clock.shift(-60)
    jwt_settings(SERVICE_AUDIENCES={})
    assert not service_tokens.revoke(raw)
    assert not denied()
    jwt_settings(SERVICE_AUDIENCES={TWO: {}})
    assert service_tokens.revoke(raw)
    assert denied()


def test_the_feed_tells_the_other_server_what_became_of_its_session(client, user, token):
    claims = decode(client, ask(client, token).json()["access_token"])
    revoke_user(user)
    raw = client.get("/auth/.well-known/revocations").content.decode()
    events = {event["scope"]: event for event in jwt.decode(raw, options={"verify_signature": False})["events"]}
    assert events["user"]["subject"] == claims["sub"]
    assert claims["auth_time"] < events["user"]["cutoff"]


# A client that asks for a user


@pytest.fixture
def api(make_user, clock, jwt_settings):
    """A client that may request both audiences, and the single scope `read` at the second one."""
    api = register(make_user("robot"), scopes="read write other")
    listed = {
        THREE: {"CLIENTS": {api.client_id: ["read"]}},
        TWO: {"CLIENTS": {api.client_id: ["read", "write", "admin"]}},
    }
    jwt_settings(SERVICE_AUDIENCES=listed)
    return api


def ask_as(client, assertion, token, **changes):
    """Send the request with the client's token in the header."""
    return post(client, urlencode(parameters(token, **changes)), HTTP_AUTHORIZATION=f"Bearer {assertion}")


def ask_with(client, assertion, token, **changes):
    """Send the request with the client's token in the body."""
    return ask(client, token, **{"client_assertion_type": JWT_BEARER, "client_assertion": assertion, **changes})


BOTH_WAYS = pytest.mark.parametrize("how", [ask_as, ask_with])


@BOTH_WAYS
def test_a_client_gets_a_token_that_speaks_for_the_user_and_names_the_client(client, user, token, api, how):
    answer = how(client, api.token(aud=ONE), token, client_id=api.client_id)
    assert answer.status_code == 200, answer.content
    assert answer.json()["scope"] == "read write"
    claims = decode(client, answer.json()["access_token"])
    assert (claims["sub"], claims["client_id"], claims["act"]) == (
        user_id_of(user),
        api.client_id,
        {"sub": api.client_id},
    )
    assert claims["sid"] == UserSession.objects.get().sid
    in_json = parameters(token, client_assertion=api.token(aud=ONE), client_assertion_type=JWT_BEARER)
    assert client.send("token/", in_json).status_code == 200


@BOTH_WAYS
@pytest.mark.parametrize(
    ("asked", "own", "given"),
    [
        ("read", None, "read"),
        ("admin", None, None),  # listed, but not one of the client's
        ("other", None, None),  # one of the client's, but not listed
        (None, "read", "read"),
        ("write", "read", None),
        (None, "other", None),
    ],
)
def test_the_scope_is_what_is_listed_and_the_client_has(client, token, api, how, asked, own, given):
    answer = how(client, api.token(aud=ONE, scope=own), token, scope=asked)
    if given is None:
        assert_error(answer, "invalid_scope")
    else:
        assert (answer.status_code, answer.json()["scope"]) == (200, given)


@BOTH_WAYS
def test_a_client_that_is_not_listed_gets_nothing(client, make_user, token, api, how):
    other = register(make_user("other robot"), scopes="read")
    assert_error(how(client, other.token(aud=ONE), token), "invalid_target")
    assert_error(ask(client, token), "invalid_target")  # and neither does the user
    assert how(client, api.token(aud=ONE), token).status_code == 200


@BOTH_WAYS
@pytest.mark.parametrize(
    "changes", [{"aud": TWO}, {"aud": [ONE, TWO]}, {"exp": 1}, {"iss": "client_7"}, {"sub": "1"}, {"jti": None}]
)
def test_a_client_that_fails_to_authenticate_itself_is_invalid(client, token, api, how, changes):
    good = {"aud": ONE}
    assert how(client, api.token(**good), token).status_code == 200
    assert_invalid_client(how(client, api.token(**{**good, **changes}), token))
    assert_invalid_client(how(client, api.token(**good)[:-2], token))


def assert_invalid_client(answer, code=None):
    body = answer.json()
    assert (answer.status_code, body["error"]) == (401, "invalid_client"), body
    assert body["code"] in ((code,) if code else ("invalid_token", "token_expired"))
    assert answer["WWW-Authenticate"].startswith("Bearer ")


@BOTH_WAYS
def test_a_client_token_is_single_use(client, token, api, how):
    assertion = api.token(aud=ONE)
    assert how(client, assertion, token).status_code == 200
    assert_invalid_client(how(client, assertion, token), "token_replayed")


@BOTH_WAYS
def test_a_client_that_was_revoked_gets_nothing(client, token, api, how):
    assert how(client, api.token(aud=ONE), token).status_code == 200
    disable_client(api.row)
    assert_invalid_client(how(client, api.token(aud=ONE), token), "token_revoked")


@BOTH_WAYS
def test_an_access_token_is_no_client(client, token, api, how):
    assert_invalid_client(how(client, token, token))


def test_a_client_token_is_no_subject(client, token, api):
    assert_error(ask_as(client, api.token(aud=ONE), api.token(aud=ONE)), "invalid_request", "invalid_token")
    assert_error(ask(client, api.token(aud=ONE)), "invalid_request", "invalid_token")


def test_a_client_authenticates_itself_in_one_way(client, token, api):
    twice = {"client_assertion": api.token(aud=ONE), "client_assertion_type": JWT_BEARER}
    assert_error(ask_as(client, api.token(aud=ONE), token, **twice), "invalid_request")


def test_a_client_id_of_another_one_is_refused(client, token, api):
    assert_error(ask_as(client, api.token(aud=ONE), token, client_id="client_7"), "invalid_request")


@pytest.mark.parametrize(
    "value", [7, None, ["a"], {"a": "b"}, "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"]
)
@pytest.mark.parametrize("name", ["client_assertion", "client_assertion_type"])
def test_what_is_no_assertion_is_an_invalid_request(client, token, api, name, value):
    body = parameters(token, client_assertion=api.token(aud=ONE), client_assertion_type=JWT_BEARER)
    answer = client.send("token/", {**body, name: value})
    if name == "client_assertion" and isinstance(value, str):
        assert_invalid_client(answer)
    else:
        assert_error(answer, "invalid_request")


def test_a_token_that_is_bound_to_the_body_is_compared_with_it(client, token, api):
    body = urlencode(parameters(token)).encode()
    digest = b64encode(sha256(body).digest()).decode()
    bound = {"aud": ONE, "htm": "POST", "htu": f"http://testserver{URL}", "content_digest": f"sha-256=:{digest}:"}
    header = {"HTTP_AUTHORIZATION": f"Bearer {api.token(**bound)}"}
    assert post(client, body + b"&scope=read", **header).status_code == 401
    header = {"HTTP_AUTHORIZATION": f"Bearer {api.token(**bound)}"}
    assert post(client, body, **header).status_code == 200
    # A token in the body can't be bound to that body.
    assert_invalid_client(ask_with(client, api.token(**bound), token))


def test_a_client_costs_its_own_queries_and_one_for_the_user(client, token, api, django_assert_num_queries):
    assert ask_as(client, api.token(aud=ONE), token).status_code == 200  # notes that it was used
    with django_assert_num_queries(1 + 3 + 1):  # the client, the used token (with a savepoint), the subject
        ask_as(client, api.token(aud=ONE), token)


def test_a_stock_library_asks_as_a_client(client, token, api):
    assertion = jwt.encode(api.claims(aud=ONE), api.signing, algorithm="HS256", headers={"kid": api.key.kid})
    assert ask_with(client, assertion, token).status_code == 200


# From code


def test_code_issues_for_a_session(client, user, token):
    session = UserSession.objects.get()
    made = service_tokens.issue(user, TWO, "anything goes", session=session, now=NOW)
    claims = decode(client, made.access_token)
    assert (claims["sub"], claims["sid"], claims["scope"]) == (user_id_of(user), session.sid, "anything goes")
    assert (made.expires_in, made.scope) == (120, "anything goes")
    assert "act" not in claims
    assert "one_time" not in claims


def test_code_issues_without_a_session(client, user, clock):
    before = datetime.now(timezone.utc)
    claims = decode(client, service_tokens.issue(user, TWO).access_token)
    assert not {"sid", "auth_time"} & set(claims)
    assert claims["scope"] == "", "present, because a reader might take an absent one for no limits"
    assert claims["exp"] - claims["iat"] == 120
    assert claims["iat"] == int(before.timestamp())


def test_a_client_that_acts_for_the_user_is_named(client, user, clock):
    made = service_tokens.issue(user, THREE, "read", actor="client_7")
    claims = decode(client, made.access_token, THREE)
    assert (claims["sub"], claims["client_id"], claims["act"]) == (user_id_of(user), "client_7", {"sub": "client_7"})


@pytest.mark.parametrize(
    ("audience", "asked", "one_time"), [(TWO, False, None), (TWO, True, True), (THREE, False, True)]
)
def test_a_token_for_one_request_says_so(client, user, clock, audience, asked, one_time):
    made = service_tokens.issue(user, audience, one_time=asked)
    assert decode(client, made.access_token, audience).get("one_time") is one_time


def test_code_can_be_wrong_about_audience_and_scope(user, clock):
    with pytest.raises(InvalidTargetError):
        service_tokens.issue(user, "https://four.example.com")
    with pytest.raises(InvalidScopeError):
        service_tokens.issue(user, TWO, "a  b")
    with pytest.raises(InvalidTargetError):
        service_tokens.issue(user, ONE)


def test_code_exchanges_for_a_client(client, token):
    within = frozenset({"read", "write"})
    made = service_tokens.exchange(token, THREE, client_id="client_7", client_scopes=within)
    claims = decode(client, made.access_token, THREE)
    assert (claims["act"], claims["scope"], claims["one_time"]) == ({"sub": "client_7"}, "read", True)
    for client_id, audience in (("client_8", THREE), ("client_7", TWO), ("", THREE)):
        with pytest.raises(InvalidTargetError):
            service_tokens.exchange(token, audience, client_id=client_id)
    for scope, scopes in (("write", within), ("read", frozenset({"write"}))):
        with pytest.raises(InvalidScopeError):
            service_tokens.exchange(token, THREE, scope, client_id="client_7", client_scopes=scopes)


def test_nothing_is_written(client, token):
    ask(client, token)
    service_tokens.exchange(token, TWO)
    assert not RevocationEvent.objects.exists()
