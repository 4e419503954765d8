"""Requests that API clients sign: the client and user they speak for, their queries, and when they stop working."""

import time
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from jwt_auth import clients
from jwt_auth.authentication import ClientJWTAuthentication, client_of
from jwt_auth.exceptions import InvalidTokenError
from jwt_auth.issuers import clients as client_issuers
from jwt_auth.issuers.directory import DIRECTORIES
from jwt_auth.models import ClientKey
from jwt_auth.revocation import disable_client, revoke_all, revoke_client, revoke_client_key, revoke_token, revoke_user
from jwt_auth.revocation.memory import view
from jwt_auth.user_model import manager_is_plain
from jwt_auth.verification import verify
from tests.support.api_clients import ApiClient, register
from tests.support.keys import public_pem
from tests.support.outages import outage

pytestmark = pytest.mark.urls("tests.client_urls")

SECOND = timedelta(seconds=1)
KINDS = [None, "rsa_key", "ec_key", "ed_key"]


@pytest.fixture(params=["database", "memory"])
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param, LEEWAY=timedelta(0))
    return request.param


@pytest.fixture
def get(client, api):
    """`get(path, **claims)` sends a token that has these claims and returns the answer."""

    def send(path="/who/", method="get", body=None, **claims):
        return getattr(client.bearer(api.token(**claims)), method)(path, body, format="json")

    return send


def codes(*answers):
    return [answer.json().get("code") or answer.status_code for answer in answers]


# Client and user


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "secret")
def test_a_client_acts_as_its_user(client, user, mode, request, kind):
    api = register(user, private=kind and request.getfixturevalue(kind))
    answer = client.bearer(api.token()).get("/who/")
    assert answer.json() == {"user": str(user.pk), "client_id": api.client_id, "scopes": ["read", "write"]}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "secret")
def test_the_apps_own_signer_is_understood(client, user, mode, request, kind):
    api = register(user, private=kind and request.getfixturevalue(kind))
    signer = api.signer(bind=True)
    body = b'{"a": 1}'
    token = signer.token("POST", "http://testserver/bound/?page=2", body)
    answer = client.bearer(token).post("/bound/?page=2", body, content_type="application/json")
    assert answer.json()["data"] == {"a": 1}


@pytest.mark.parametrize(
    "typ", [None, "JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"]
)
def test_the_types_that_client_tokens_have(client, api, typ):
    assert client.bearer(api.token(header={"typ": typ})).get("/who/").status_code == 200


@pytest.mark.parametrize("path", ["/who/", "/anyone/"])
def test_where_nothing_is_looked_up_no_client_is_known(get, jwt_settings, path):
    """Check E054 reports it."""
    assert get(path).status_code == 200
    jwt_settings(REVOCATION="none")
    assert codes(get(path)) == ["invalid_token"]


def test_the_audience_may_be_a_list_of_one(get):
    assert get(aud=["jwt_auth"]).status_code == 200


def test_the_audience_is_the_issuer_and_not_what_access_tokens_have(get, jwt_settings):
    jwt_settings(AUDIENCE="https://api.example.com")
    assert codes(get(aud="https://api.example.com"), get()) == ["invalid_token", 200]


def test_a_view_gets_the_client(client, api, user, mode):
    assert client.bearer(api.token()).get("/client/").json() == {"name": "reports", "user": str(user.pk)}
    assert client.bearer(client.tokens(user)["access_token"]).get("/client/").json() == {"name": None, "user": None}


def test_what_one_request_does_to_its_client_no_other_one_sees(api, mode):
    seen = []
    for _ in range(2):
        request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {api.token()}")
        asked = Request(request, authenticators=[ClientJWTAuthentication()])
        row = client_of(asked)
        seen.append(row.name)
        row.name = "changed"
        asked.user.first_name = "changed"
    assert seen == ["reports", "reports"]


@pytest.mark.parametrize("issuers", DIRECTORIES)
def test_a_token_without_an_issuer_is_nobodys_in_any_directory(api, mode, issuers):
    with pytest.raises(InvalidTokenError):
        verify(api.with_texts(iss=None), issuers=issuers)


def test_anyone_may_be_a_client(api, mode):
    assert verify(api.token(), issuers="anyone").claims.iss == api.client_id


def test_nobody_is_no_client(rf):
    assert client_of(Request(rf.get("/"))) is None


def test_me_tells_of_the_client(client, api, user, clock, mode):
    raw = api.token()
    body = client.bearer(raw).get("/auth/me/").json()
    assert (body["client"], body["client_id"], body["scope"]) == ("reports", api.client_id, "read write")
    assert (body["user"]["id"], body["session"], body["auth_time"]) == (str(user.pk), None, None)
    mine = client.get_me(client.tokens(user)["access_token"]).json()
    assert (mine["client"], mine["client_id"]) == (None, "jwt_auth")


def test_what_a_client_says_of_a_session_counts_for_nothing(client, api, user):
    claims = verify(api.token(sid="0" * 32, auth_time=1.5), issuers="clients").claims
    assert (claims.sid, claims.auth_time, claims.client_id, claims.sub) == (None, None, api.client_id, api.client_id)


# Scopes


@pytest.mark.parametrize(
    ("scope", "may_read", "may_write"),
    [
        (None, 200, 200),
        ("read", 200, "insufficient_scope"),
        ("write read", 200, 200),
        ("admin", "insufficient_scope", "insufficient_scope"),
        ("admin read", 200, "insufficient_scope"),
        ("", "insufficient_scope", "insufficient_scope"),
        ("READ", "insufficient_scope", "insufficient_scope"),
    ],
)
def test_a_token_can_name_less_than_the_client_may_and_never_more(get, mode, scope, may_read, may_write):
    assert codes(get("/read/", scope=scope), get("/write/", scope=scope)) == [may_read, may_write]
    assert "admin" not in get("/who/", scope=scope).json()["scopes"]


def test_scopes_that_are_taken_away_are_gone_with_the_next_request(get, api, mode):
    assert get("/write/").status_code == 200
    clients.change(api.row, scopes="read", actor=None)
    assert codes(get("/write/"), get("/read/"), get("/write/", scope="write")) == [
        "insufficient_scope",
        200,
        "insufficient_scope",
    ]


# One key per client


def test_where_nothing_is_asked_there_are_no_clients(client, api, jwt_settings, django_assert_num_queries):
    raw = api.token()
    assert client.bearer(raw).get("/who/").status_code == 200
    jwt_settings(REVOCATION="none")
    with django_assert_num_queries(0):
        assert client.bearer(raw).get("/who/").json()["code"] == "invalid_token"


def test_a_token_that_names_no_key_is_refused(client, api):
    assert client.bearer(api.token(header={"kid": None})).get("/who/").status_code == 401
    assert client.bearer(api.token()).get("/who/").status_code == 200


def test_a_key_that_was_added_just_now_is_known(client, api, user, mode, ec_key):
    assert client.bearer(api.token()).get("/who/").status_code == 200
    new = clients.add_public_key(api.row, public_pem(ec_key), actor=user)
    assert client.bearer(ApiClient(api.row, new.key, ec_key).token()).get("/who/").status_code == 200


def test_a_key_in_two_clients_speaks_for_the_one_that_the_token_names(client, user, make_user, mode, ec_key):
    one, other = register(user, private=ec_key), register(make_user("bob"), private=ec_key)
    assert one.key.kid == other.key.kid
    seen = [client.bearer(each.token()).get("/who/").json() for each in (one, other, one)]
    assert [each["client_id"] for each in seen] == [one.client_id, other.client_id, one.client_id]
    assert seen[0]["user"] != seen[1]["user"]


# The end of tokens


REVOCATIONS = {
    "client": lambda api, user: revoke_client(api.row),
    "user": lambda api, user: revoke_user(user),
    "all": lambda api, user: revoke_all(),
}
ENDS = {
    "key revoked": lambda api, user: revoke_client_key(api.key),
    "client disabled": lambda api, user: disable_client(api.row),
    "user inactive": lambda api, user: deactivate(user),
    "user deleted": lambda api, user: user.delete(),
    "client deleted": lambda api, user: api.row.delete(),
    "key deleted": lambda api, user: api.key.delete(),
}


def deactivate(user):
    user.is_active = False
    user.save()


@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_cutoff_refuses_what_was_signed_before_and_nothing_else(client, api, user, mode, clock, revoke):
    old = api.token()
    assert client.bearer(old).get("/who/").status_code == 200
    revoke(api, user)
    assert codes(client.bearer(old).get("/who/"), client.bearer(api.token()).get("/who/")) == ["token_revoked"] * 2
    clock.shift(SECOND)
    assert codes(client.bearer(old).get("/who/"), client.bearer(api.token()).get("/who/")) == ["token_revoked", 200]


@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_cutoff_refuses_what_a_clock_that_is_ahead_has_signed(client, api, user, mode, clock, revoke, jwt_settings):
    jwt_settings(LEEWAY=timedelta(seconds=10))
    now = int(time.time())
    old = api.token(iat=now + 10, exp=now + 60)
    assert client.bearer(old).get("/who/").status_code == 200
    revoke(api, user)
    assert client.bearer(old).get("/who/").json()["code"] == "token_revoked"
    clock.shift(11 * SECOND)
    assert codes(client.bearer(old).get("/who/"), client.bearer(api.token()).get("/who/")) == ["token_revoked", 200]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_is_over_is_over_for_what_is_signed_later_too(client, api, user, mode, clock, end):
    old = api.token()
    assert client.bearer(old).get("/who/").status_code == 200
    end(api, user)
    clock.shift(5 * SECOND)
    assert {
        answer.status_code for answer in (client.bearer(old).get("/who/"), client.bearer(api.token()).get("/who/"))
    } == {401}


def test_another_client_of_the_same_user_goes_on(client, api, user, mode, clock):
    other = register(user)
    assert client.bearer(other.token()).get("/who/").status_code == 200
    disable_client(api.row)
    clock.shift(SECOND)
    assert codes(*[client.bearer(each.token()).get("/who/") for each in (api, other)]) == ["token_revoked", 200]


def test_a_key_ends_when_it_says(client, api, user, mode, clock):
    ClientKey.objects.filter(pk=api.key.pk).update(expires_at=api.key.created_at + timedelta(seconds=20))
    assert client.bearer(api.token()).get("/who/").status_code == 200
    clock.shift(19.9)
    assert client.bearer(api.token()).get("/who/").status_code == 200
    clock.shift(0.1)
    assert client.bearer(api.token()).get("/who/").json()["code"] == "token_expired"


def test_a_rotated_key_overlaps_and_ends(client, api, user, mode, clock):
    assert client.bearer(api.token()).get("/who/").status_code == 200
    new = clients.rotate(api.key, overlap=timedelta(seconds=30), actor=user)
    rotated = ApiClient(api.row, new.key, new.secret)
    assert codes(*[client.bearer(each.token()).get("/who/") for each in (api, rotated)]) == [200, 200]
    clock.shift(30)
    assert codes(*[client.bearer(each.token()).get("/who/") for each in (api, rotated)]) == ["token_expired", 200]


@pytest.mark.parametrize("length", [1, 255])
def test_one_token_can_be_denied(client, api, mode, length):
    raw, other = api.token(jti="x" * length), api.token()
    revoke_token(verify(raw, issuers="clients").claims)
    assert codes(client.bearer(raw).get("/who/"), client.bearer(other).get("/who/")) == ["token_revoked", 200]


def test_an_inactive_user_that_no_signal_told_of_is_found_in_the_database(client, api, user, jwt_settings, ticks):
    jwt_settings(REVOCATION="memory")
    assert client.bearer(api.token()).get("/who/").status_code == 200
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    assert codes(client.bearer(api.token()).get("/who/"), client.bearer(api.token()).get("/strict/")) == [
        200,
        "token_revoked",
    ]
    ticks.forward(61)
    assert client.bearer(api.token()).get("/who/").json()["code"] == "token_revoked"


# Queries


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "secret")
def test_a_request_costs_one_query(client, user, count, request, kind):
    api = register(user, private=kind and request.getfixturevalue(kind))
    raw = api.token()
    for _ in range(2):
        number, answer = count(client.bearer(raw).get, "/who/")
        assert (number, answer.status_code) == (1, 200)


def test_in_memory_a_request_costs_none(client, api, count, jwt_settings):
    jwt_settings(REVOCATION="memory", REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    assert client.bearer(api.token()).get("/who/").status_code == 200
    for _ in range(3):
        number, answer = count(client.bearer(api.token()).get, "/who/")
        assert (number, answer.status_code) == (0, 200)
    number, answer = count(client.bearer(api.token()).get, "/strict/")
    assert (number, answer.status_code) == (1, 200)


def test_what_is_kept_of_keys_is_bounded_and_goes_with_the_settings_and_with_a_fork(
    client, user, jwt_settings, monkeypatch, count
):
    monkeypatch.setattr(client_issuers, "_ROWS", 2)
    jwt_settings(REVOCATION="memory", REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    for _ in range(3):
        assert client.bearer(register(user).token()).get("/who/").status_code == 200
    assert len(client_issuers.kept_rows()) == 2
    kept = register(user)
    assert [count(client.bearer(kept.token()).get, "/who/")[0] for _ in range(2)] == [1, 0]
    view.forget()  # as a fork does
    assert count(client.bearer(kept.token()).get, "/who/")[0] > 0
    assert len(client_issuers.kept_rows()) == 2
    jwt_settings(REALM="other")
    assert len(client_issuers.kept_rows()) == 0


def test_what_is_read_while_news_come_is_not_kept(client, api, jwt_settings, monkeypatch):
    jwt_settings(REVOCATION="memory", REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    find = client_issuers.client_keys.find

    def find_meanwhile(*arguments):
        row = find(*arguments)
        view.view()._reader.additions += 1
        return row

    monkeypatch.setattr(client_issuers.client_keys, "find", find_meanwhile)
    assert client.bearer(api.token()).get("/who/").status_code == 200
    assert len(client_issuers.kept_rows()) == 0


def test_a_user_model_that_hides_some_hides_their_clients(client, api, user, mode, monkeypatch):
    manager = get_user_model()._default_manager
    hidden = set()
    monkeypatch.setattr(
        type(manager), "get_queryset", lambda self: super(type(self), self).get_queryset().exclude(pk__in=hidden)
    )
    assert not manager_is_plain()
    assert client.bearer(api.token()).get("/who/").status_code == 200
    hidden.add(user.pk)
    view.forget()
    assert client.bearer(api.token()).get("/who/").status_code == 401


# Outages


def test_a_database_that_is_down_is_503(client, api, mode):
    with outage():
        answer = client.bearer(api.token()).get("/who/")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "1")


def test_a_secret_that_no_key_decrypts_is_503(client, api, jwt_settings):
    jwt_settings(ENCRYPTION_KEYS=[Fernet.generate_key().decode()])
    assert client.bearer(api.token()).get("/who/").status_code == 503


@pytest.mark.parametrize("columns", [{"algorithm": "ES256"}, {"encrypted_secret": "\u00e4"}])
def test_a_row_that_is_broken_is_503_and_the_log_says_what_is_wrong(client, api, mode, columns, caplog):
    ClientKey.objects.update(**columns)
    answer = client.bearer(api.token()).get("/who/")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "unavailable"]
    assert api.key.kid in record.reason or "ENCRYPTION_KEYS" in record.reason


# Log


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (lambda api, user: disable_client(api.row), "the client is inactive"),
        (lambda api, user: deactivate(user), "the user is inactive"),
        (lambda api, user: revoke_client_key(api.key), "the key is revoked"),
        (lambda api, user: ClientKey.objects.update(expires_at=api.key.created_at), "the client's key, is over"),
    ],
)
def test_the_log_says_what_is_over(client, api, user, caplog, operation, reason):
    operation(api, user)
    with caplog.at_level("INFO", "jwt_auth"):
        assert client.bearer(api.token()).get("/who/").status_code == 401
    (refusal,) = [record for record in caplog.records if getattr(record, "event", "") == "token_refused"]
    assert reason in refusal.reason
