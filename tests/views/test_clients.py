"""Staff manage API clients: the permissions, the answers, and that a secret is shown once."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from jwt_auth import clients
from jwt_auth.client import Signer
from jwt_auth.issuers.client_keys import to_key
from jwt_auth.jose import jwk
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.views import clients as client_views
from jwt_auth.views.clients import ManagementView
from tests.support.keys import pem, private_jwk, public_pem
from tests.support.queries import Queries

pytestmark = pytest.mark.usefixtures("clock")

UNKNOWN = "client_" + "0" * 32


@pytest.fixture
def signed_in(client):
    """`signed_in(user, permission, ...)` returns a client of the API that sends the user's token."""

    def sign_in(user, *permissions):
        user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        return client.bearer(client.tokens(user)["access_token"])

    return sign_in


@pytest.fixture
def boss(signed_in, staff):
    return signed_in(staff)


@pytest.fixture
def reports(user):
    return clients.register("reports", user, "read write")


def url(client, *parts):
    return "/".join(["clients", client if isinstance(client, str) else client.client_id, *parts, ""])


# Registering


def test_staff_register_a_client_and_see_its_secret_once(boss, user, staff):
    body = {"client_name": "reports", "user": str(user.pk), "scope": "read write", "key": {}}
    answer = boss.send("clients/", body)
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    shown = answer.json()
    key = shown.pop("key")
    row = RegisteredClient.objects.get()
    assert (row.name, row.user, row.scopes) == ("reports", user, "read write")
    assert shown["client_id"] == row.client_id
    assert (shown["client_name"], shown["scope"], shown["is_active"]) == ("reports", "read write", True)
    assert str(shown["user"]) == str(user.pk)
    assert to_key(row.keys.get()).verifying == key["client_secret"].encode()
    assert (key["kid"], key["alg"], key["jwk"]) == (row.keys.get().kid, "HS256", None)
    for path in ("clients/", url(row), url(row, "keys")):
        again = boss.send(path, method="get")
        assert key["client_secret"] not in again.content.decode()
        assert "secret" not in again.content.decode()
        assert row.keys.get().encrypted_secret not in again.content.decode()


def test_a_client_may_be_registered_without_a_key_and_for_somebody_by_name(boss, user):
    answer = boss.send("clients/", {"client_name": "reports", "username": user.get_username()})
    assert answer.status_code == 201
    assert "key" not in answer.json()
    assert RegisteredClient.objects.get().scopes == ""
    assert not ClientKey.objects.exists()


@pytest.mark.parametrize("form", ["jwk", "pem"])
def test_a_client_may_bring_its_public_key(boss, user, ec_key, form):
    public = jwk.dump_public(ec_key.public_key())
    source = {"jwk": public, "pem": public_pem(ec_key)}[form]
    answer = boss.send("clients/", {"client_name": "reports", "user": str(user.pk), "key": {form: source}})
    assert answer.status_code == 201
    key = answer.json()["key"]
    assert "client_secret" not in key
    assert (key["alg"], key["jwk"]) == ("ES256", public)


def test_a_bad_key_registers_nothing(boss, user, rsa_key):
    for key in ({"pem": pem(rsa_key)}, {"jwk": private_jwk(rsa_key)}, {"alg": "RS256"}, {"pem": "x"}):
        answer = boss.send("clients/", {"client_name": "reports", "user": str(user.pk), "key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert not RegisteredClient.objects.exists()


BAD_BODIES = [
    {},
    {"client_name": "reports"},
    {"client_name": "reports", "user": "x", "username": "x"},
    {"client_name": "", "user": "PK"},
    {"client_name": "a\nb", "user": "PK"},
    {"client_name": ["reports"], "user": "PK"},
    {"client_name": "reports", "user": "PK", "scope": 'a"b'},
    {"client_name": "reports", "user": "PK", "scope": ["read"]},
    {"client_name": "reports", "user": "PK", "requires_binding": []},
    {"client_name": "reports", "user": "PK", "requires_binding": {}},
    {"client_name": "reports", "user": "PK", "key": []},
    {"client_name": "reports", "user": "PK", "key": {"alg": "none"}},
    {"client_name": "reports", "user": "PK", "key": {"alg": {}}},
    {"client_name": "reports", "user": "PK", "key": {"jwk": "x"}},
    {"client_name": "reports", "user": "PK", "key": {"jwk": {}}},
    {"client_name": "reports", "user": "PK", "key": {"jwk": {"kty": ["RSA"]}}},
    {"client_name": "reports", "user": "PK", "key": {"jwk": {"kty": "EC", "crv": {}}}},
    {"client_name": "reports", "user": "PK", "key": {"jwk": {"kty": "RSA", "n": "AA", "e": "AA"}}},
    {"client_name": "reports", "user": "PK", "key": {"jwk": {"kty": "oct", "k": "AAAA"}}},
    {"client_name": "reports", "user": "PK", "key": {"pem": 1}},
    {"client_name": "reports", "user": "PK", "key": {"pem": "x", "jwk": {"kty": "RSA"}}},
    {"client_name": "reports", "user": "PK", "key": {"expires_at": "yesterday"}},
    {"client_name": "reports", "user": "PK", "key": {"expires_at": "2020-01-01T00:00:00Z"}},
    {"client_name": "reports", "user": "PK", "key": {"expires_at": "0001-01-01T00:00:00+14:00"}},
    {"client_name": "reports", "user": "PK", "key": {"expires_at": "9999-12-31T23:59:59Z"}},
    {"client_name": "reports", "user": "PK", "key": {"expires_at": "9999-12-31T23:59:59-14:00"}},
    {"client_name": "\x00", "user": "PK"},
]


@pytest.mark.parametrize("number", range(len(BAD_BODIES)))
def test_what_is_no_good_body_is_400(boss, user, number):
    body = json.loads(json.dumps(BAD_BODIES[number]).replace("PK", str(user.pk)))
    answer = boss.send("clients/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.content
    assert not RegisteredClient.objects.exists()


def test_nobody_is_nobody(boss, db):
    for who in ({"user": "999999"}, {"user": "x"}, {"username": "nobody"}, {"username": "a\x00"}):
        assert boss.send("clients/", {"client_name": "reports", **who}).status_code in (400, 404)


def test_for_a_user_who_was_just_deleted_there_is_no_client(boss, leaver):
    answer = boss.send("clients/", {"client_name": "reports", "user": str(leaver.pk), "key": {}})
    assert answer.status_code == 400
    assert answer.json() == {"detail": "The user no longer exists.", "code": "invalid_request"}
    assert not RegisteredClient.objects.exists()


# Reading


def test_clients_come_in_pages_with_as_many_queries_for_many_as_for_few(boss, user):
    def count():
        with Queries() as queries:
            answer = boss.send("clients/", method="get")
        assert answer.status_code == 200
        return len(queries), answer.json()

    clients.register("first", user)
    few, page = count()
    assert [item["client_name"] for item in page["results"]] == ["first"]
    RegisteredClient.objects.bulk_create([RegisteredClient(name=str(i), user=user) for i in range(250)])
    many, page = count()
    assert many == few
    assert (page["count"], len(page["results"])) == (251, 100)
    assert [len(boss.send(f"clients/?page={n}", method="get").json()["results"]) for n in (2, 3)] == [100, 51]


@pytest.mark.parametrize("page", ["0", "4", "x", "-1", "1e9", "9" * 5000, "%00"])
def test_a_page_that_is_none_is_not_found(boss, reports, page):
    answer = boss.send(f"clients/?page={page}", method="get")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_one_client_is_shown_with_what_became_of_it(boss, reports):
    shown = boss.send(url(reports), method="get").json()
    assert set(shown) == {
        *("client_id", "client_name", "user", "scope", "requires_binding", "is_active"),
        *("created_at", "created_by", "ip_address", "tokens_valid_after", "last_used_at"),
    }
    assert (shown["tokens_valid_after"], shown["last_used_at"]) == (None, None)
    assert shown["created_at"].endswith("Z")


def test_keys_are_listed_with_what_is_public_of_them(boss, reports, rsa_key):
    secret = clients.add_secret(reports).key
    public = clients.add_public_key(reports, public_pem(rsa_key), "PS256").key
    page = boss.send(url(reports, "keys"), method="get").json()
    assert [(item["kid"], item["alg"], item["jwk"]) for item in page["results"]] == [
        (secret.kid, "HS256", None),
        (public.kid, "PS256", jwk.dump_public(rsa_key.public_key())),
    ]


@pytest.mark.parametrize(
    "client_id", [UNKNOWN, "x", "%00", "client_", UNKNOWN + "0", UNKNOWN.upper(), "client_%C3%A9", "..%2f"]
)
def test_an_unknown_client_is_404_everywhere(boss, client_id, db):
    for method, *parts in [
        ("get",),
        ("patch",),
        ("delete",),
        ("post", "revoke"),
        ("get", "keys"),
        ("post", "keys"),
        ("delete", "keys", "x"),
        ("post", "keys", "x", "rotate"),
    ]:
        assert boss.send(url(client_id, *parts), {}, method).status_code == 404


def test_a_key_is_named_exactly_and_belongs_to_its_client(boss, user, reports):
    key = clients.add_secret(reports).key
    other = clients.register("other", user)
    for client, kid in ((reports, "x"), (reports, "%00"), (reports, key.kid.swapcase()), (other, key.kid)):
        assert boss.send(url(client, "keys", kid), method="delete").status_code == 404
        assert boss.send(url(client, "keys", kid, "rotate"), {}).status_code == 404
    assert ClientKey.objects.get().revoked_at is None


# Changing


def test_staff_change_what_a_client_may_do(boss, reports):
    answer = boss.send(url(reports), {"client_name": "Reports", "scope": "read", "requires_binding": True}, "patch")
    assert (answer.status_code, answer.json()["scope"], answer.json()["requires_binding"]) == (200, "read", True)
    row = RegisteredClient.objects.get()
    assert (row.name, row.scopes) == ("Reports", "read")
    assert boss.send(url(reports), {}, "patch").status_code == 200
    assert RegisteredClient.objects.get().name == "Reports"
    for body in ({"client_name": "\x1b"}, {"scope": "\\"}, {"requires_binding": "perhaps"}):
        assert boss.send(url(reports), body, "patch").status_code == 400


def test_a_key_is_added_and_its_secret_shown_once(boss, reports, ed_key):
    secret = boss.send(url(reports, "keys"), {"alg": "HS512"})
    assert (secret.status_code, secret["Cache-Control"]) == (201, "no-store")
    assert len(secret.json()["client_secret"]) == 86
    body = {"pem": public_pem(ed_key), "expires_at": "2100-01-01T00:00:00Z"}
    public = boss.send(url(reports, "keys"), body)
    assert (public.json()["alg"], public.json()["expires_at"]) == ("EdDSA", "2100-01-01T00:00:00Z")
    assert boss.send(url(reports, "keys"), body).status_code == 400
    assert reports.keys.count() == 2


def test_a_key_is_rotated_once_with_an_overlap(boss, reports):
    old = clients.add_secret(reports)
    answer = boss.send(url(reports, "keys", old.key.kid, "rotate"), {"overlap": 3600})
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert answer.json()["client_secret"] != old.secret
    assert ClientKey.objects.get(pk=old.key.pk).expires_at == timezone.now() + timedelta(hours=1)
    again = boss.send(url(reports, "keys", old.key.kid, "rotate"), {})
    assert (again.status_code, again.json()["code"]) == (400, "invalid_request")
    assert "rotated" in again.json()["detail"]


@pytest.mark.parametrize("overlap", [-1, 7776001, "x", None, 1e300, [], "9" * 5000])
def test_an_overlap_has_bounds(boss, reports, overlap):
    key = clients.add_secret(reports).key
    assert boss.send(url(reports, "keys", key.kid, "rotate"), {"overlap": overlap}).status_code == 400


def test_a_public_key_is_rotated_to_the_next(boss, reports, ec_key, ed_key):
    old = clients.add_public_key(reports, public_pem(ec_key)).key
    assert boss.send(url(reports, "keys", old.kid, "rotate"), {}).status_code == 400
    answer = boss.send(url(reports, "keys", old.kid, "rotate"), {"pem": public_pem(ed_key), "alg": "Ed25519"})
    assert (answer.status_code, answer.json()["alg"]) == (201, "Ed25519")


# Revoking


def test_a_key_is_revoked_for_good(boss, reports, staff):
    key = clients.add_secret(reports).key
    for _ in range(2):
        assert boss.send(url(reports, "keys", key.kid), method="delete").status_code == 204
    assert ClientKey.objects.get().revoked_at
    event = RevocationEvent.objects.get()
    assert (event.scope, event.actor) == ("key", str(staff.pk))


def test_what_a_client_has_signed_is_revoked(boss, reports, staff):
    answer = boss.send(url(reports, "revoke"), {"reason": "seen in a log"})
    assert answer.status_code == 200
    cutoff = RegisteredClient.objects.get().tokens_valid_after
    assert answer.json()["client_id"] == reports.client_id
    assert answer.json()["tokens_valid_after"] == cutoff.isoformat().replace("+00:00", "Z")
    event = RevocationEvent.objects.get()
    assert (event.scope, event.reason, event.actor) == ("client", "seen in a log", str(staff.pk))
    assert boss.send(url(reports, "revoke"), {"reason": "x" * 256}).status_code == 400


def test_a_client_is_disabled_for_good(boss, reports):
    for _ in range(2):
        assert boss.send(url(reports), method="delete").status_code == 204
    assert not RegisteredClient.objects.get().is_active
    assert boss.send(url(reports), method="get").json()["is_active"] is False
    assert boss.send(url(reports), {"is_active": True}, "patch").json()["is_active"] is False
    assert boss.send(url(reports, "keys"), {}).status_code == 400


# Permissions

NEEDED = {
    "view_registeredclient": [("get", "clients/"), ("get", "CLIENT"), ("get", "CLIENT/keys")],
    "add_registeredclient": [("post", "clients/")],
    "change_registeredclient": [("patch", "CLIENT"), ("post", "CLIENT/keys"), ("post", "CLIENT/keys/KEY/rotate")],
    "revoke_client": [("delete", "CLIENT"), ("delete", "CLIENT/keys/KEY"), ("post", "CLIENT/revoke")],
}


def calls(client, key):
    for permission, listed in NEEDED.items():
        for method, path in listed:
            names = path.replace("CLIENT", f"clients/{client.client_id}").replace("KEY", key.kid)
            yield permission, method, names.rstrip("/") + "/"


def test_each_call_needs_its_permission(signed_in, client, make_user, user, reports):
    key = clients.add_secret(reports).key
    body = {"client_name": "x", "user": str(user.pk)}
    nobody = signed_in(make_user("nobody"))
    others = {each: signed_in(make_user(each), *(set(NEEDED) - {each})) for each in NEEDED}
    for permission, method, path in calls(reports, key):
        assert client.send(path, body, method).status_code == 401
        assert nobody.send(path, body, method).status_code == 403
        assert others[permission].send(path, body, method).status_code == 403
    assert not RevocationEvent.objects.exists()
    assert RegisteredClient.objects.count() == 1
    able = {each: signed_in(make_user(f"{each}_only"), each) for each in NEEDED}
    for permission, method, path in sorted(calls(reports, key), key=lambda call: call[1] == "delete"):
        assert able[permission].send(path, body, method).status_code in (200, 201, 204), (method, path)


@pytest.mark.parametrize("scope", ["introspect", "revoke_user"])
def test_the_apps_own_scopes_are_given_by_who_may_do_the_same(signed_in, make_user, user, staff, scope):
    clerk = make_user("clerk", is_staff=True)
    held = clients.register("held", user, f"read {scope}")
    key = clients.add_secret(held).key
    other = clients.register("other", user)

    def answers(client):
        return [
            client.send("clients/", {"client_name": "x", "user": str(clerk.pk), "scope": f"{scope} read"}).status_code,
            client.send(url(other), {"scope": scope}, "patch").status_code,
            client.send(url(held), {"client_name": "y"}, "patch").status_code,
            client.send(url(held, "keys"), {}).status_code,
            client.send(url(held, "keys", key.kid, "rotate"), {}).status_code,
        ]

    browser = signed_in(clerk, "add_registeredclient", "change_registeredclient")
    assert answers(browser) == [403] * 5
    assert browser.send("clients/", {"client_name": "x", "user": str(clerk.pk), "scope": "read"}).status_code == 201
    assert answers(signed_in(clerk, scope)) == [201, 200, 200, 201, 201]


def views_of(module):
    found = [view for view in vars(module).values() if isinstance(view, type) and issubclass(view, ManagementView)]
    return [view for view in found if view is not ManagementView]


@pytest.mark.parametrize("view", views_of(client_views), ids=lambda view: view.__name__)
def test_each_method_that_is_answered_has_its_permission(view):
    answered = {method.upper() for method in ("get", "post", "put", "patch", "delete") if hasattr(view, method)}
    assert answered == set(view.needed)
    assert set(view.needed.values()) <= {f"jwt_auth.{permission}" for permission in NEEDED}


def test_other_methods_are_answered_as_everywhere(boss, reports):
    assert boss.send(url(reports), {}, "put").status_code == 405
    assert boss.send(url(reports), method="head").status_code == 200
    assert boss.send(url(reports), method="options")["Allow"] == "GET, PATCH, DELETE, HEAD, OPTIONS"


def test_who_may_less_than_the_clients_user_gets_no_key_of_it(signed_in, make_user, staff, user):
    """Otherwise staff could become anybody: by a client that acts as an administrator, or by a key for one."""
    clerk = make_user("clerk")
    able = signed_in(clerk, "add_registeredclient", "change_registeredclient", "revoke_client")
    strong = clients.register("strong", staff)
    key = clients.add_secret(strong).key
    refused = [
        able.send("clients/", {"client_name": "mine", "user": str(staff.pk), "key": {}}),
        able.send(url(strong, "keys"), {}),
        able.send(url(strong, "keys", key.kid, "rotate"), {}),
        able.send(url(strong), {"scope": "everything"}, "patch"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "permission_denied")] * 4
    assert RegisteredClient.objects.count() == ClientKey.objects.count() == 1
    # The controls: a client for oneself or for a user with no more permissions, and a revocation for anybody.
    assert able.send("clients/", {"client_name": "mine", "user": str(clerk.pk), "key": {}}).status_code == 201
    assert able.send("clients/", {"client_name": "mine", "user": str(user.pk), "key": {}}).status_code == 201
    assert able.send(url(strong), method="delete").status_code == 204


def test_calls_are_throttled_whatever_the_method(boss, reports, settings):
    rates = {"jwt_auth_clients": "2/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    assert [boss.send(url(reports), method="get").status_code for _ in range(3)] == [200, 200, 429]
    assert boss.send(url(reports), method="delete").status_code == 429
    assert RegisteredClient.objects.get().is_active


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_the_life_of_a_client_as_it_sees_it_itself(jwt_settings, boss, user, clock, mode):
    jwt_settings(REVOCATION=mode, LEEWAY=timedelta(0))
    made = boss.send("clients/", {"client_name": "reports", "user": str(user.pk), "key": {}}).json()
    path = f"clients/{made['client_id']}/"

    def signer(key):
        facts = {"client_id": made["client_id"], "kid": key["kid"], "algorithm": key["alg"], "audience": "jwt_auth"}
        return Signer(key=key["client_secret"], reuse="never", **facts)

    def status(signed):
        return boss.get_me(signed).status_code

    first = signer(made["key"])
    assert status(first.token()) == 200
    second = signer(boss.send(f"{path}keys/{first.kid}/rotate/", {"overlap": 60}).json())
    assert [status(first.token()), status(second.token())] == [200, 200]
    clock.shift(60)
    assert [status(first.token()), status(second.token())] == [401, 200]
    stolen = second.token()
    clock.shift(1)
    boss.send(f"{path}revoke/", {})
    clock.shift(1)  # `iat` has whole seconds: tokens from the second of the cutoff are refused as well
    assert [status(stolen), status(second.token())] == [401, 200]
    third = signer(boss.send(f"{path}keys/", {}).json())
    boss.send(f"{path}keys/{second.kid}/", method="delete")
    assert [status(second.token()), status(third.token())] == [401, 200]
    assert boss.bearer(third.token()).send(path, method="get").status_code == 401  # no client manages clients
    boss.send(path, method="delete")
    assert status(third.token()) == 401


# The record of who made what


def test_who_made_a_client_and_a_key_is_recorded_and_shown(boss, staff, user):
    facts = {"created_by": str(staff.pk), "ip_address": "203.0.113.7"}
    body = {"client_name": "reports", "user": str(user.pk), "key": {}}
    shown = boss.send("clients/", body, REMOTE_ADDR="203.0.113.7").json()
    assert facts.items() <= shown.items()
    assert facts.items() <= shown["key"].items()
    row = RegisteredClient.objects.get()
    keys = boss.send(url(row, "keys"), {}, REMOTE_ADDR="203.0.113.8").json()
    assert keys["ip_address"] == "203.0.113.8"
    path = url(row, "keys", keys["kid"], "rotate")
    assert boss.send(path, {}, REMOTE_ADDR="203.0.113.9").json()["ip_address"] == "203.0.113.9"
    listed = boss.send(url(row, "keys"), method="get").json()["results"]
    assert [key["ip_address"] for key in listed] == ["203.0.113.7", "203.0.113.8", "203.0.113.9"]
    assert {key["created_by"] for key in listed} == {str(staff.pk)}
    assert facts.items() <= boss.send("clients/", method="get").json()["results"][0].items()


def test_a_key_for_a_client_whose_user_was_promoted_is_refused(signed_in, make_user, user):
    clerk = make_user("clerk")
    hand = signed_in(clerk, "add_registeredclient", "change_registeredclient")
    answer = hand.send("clients/", {"client_name": "reports", "user": str(user.pk), "key": {}})
    row, kid = RegisteredClient.objects.get(), answer.json()["key"]["kid"]
    for path in (url(row, "keys"), url(row, "keys", kid, "rotate")):
        assert hand.send(path, {}).status_code == 201
    user.is_staff = True
    user.save()
    kid = row.keys.filter(rotated_at=None).first().kid
    for path in (url(row, "keys"), url(row, "keys", kid, "rotate")):
        assert hand.send(path, {}).status_code == 403
    assert hand.send(url(row), {"scope": "more"}, method="patch").status_code == 403


# A user is revoked


@pytest.fixture
def thief(signed_in, make_user, user):
    """A member of staff whose stolen token has registered a client for alice."""
    clerk = make_user("clerk", is_staff=True)
    hand = signed_in(clerk, "add_registeredclient", "change_registeredclient")
    body = {"client_name": "reports", "user": str(user.pk), "key": {}}
    assert hand.send("clients/", body, REMOTE_ADDR="203.0.113.66").status_code == 201
    return clerk


def test_the_answer_names_the_clients_that_stay(boss, thief, user):
    answer = boss.send("revoke/user/", {"user": str(thief.pk)}).json()
    row, key = RegisteredClient.objects.get(), ClientKey.objects.get()
    assert (answer["clients_left"], answer["clients_disabled"], answer["keys_revoked"]) == (1, 0, 0)
    ((named),) = answer["clients"]
    assert (named["client_id"], named["created_by"], named["ip_address"]) == (
        *(row.client_id, str(thief.pk), "203.0.113.66"),
    )
    ((shown),) = named["keys"]
    assert (shown["kid"], shown["created_by"], shown["ip_address"]) == (key.kid, str(thief.pk), "203.0.113.66")
    assert shown["created_at"].endswith("Z")
    assert "encrypted" not in str(answer)


def test_with_clients_they_end_with_the_user(boss, thief):
    answer = boss.send("revoke/user/", {"user": str(thief.pk), "with_clients": True}).json()
    assert (answer["clients_left"], answer["clients_disabled"], answer["clients"]) == (0, 1, [])
    assert not RegisteredClient.objects.get().is_active


def test_without_the_permissions_for_clients_only_their_number_is_told(signed_in, thief, make_user):
    desk = signed_in(make_user("desk"), "revoke_user")
    refused = desk.send("revoke/user/", {"user": str(thief.pk), "with_clients": True})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert RegisteredClient.objects.get().is_active
    answer = desk.send("revoke/user/", {"user": str(thief.pk)}).json()
    assert (answer["clients_left"], answer["clients"]) == (1, [])


@pytest.mark.parametrize("prefix", ["/auth/", "/auth/browser/"])
def test_users_see_the_clients_that_act_as_them_or_that_they_made(client, user, thief, make_user, prefix):
    clients.add_secret(clients.register("other", make_user("bob")))
    row, pages = RegisteredClient.objects.first(), {}
    for each in (user, thief):
        browser = client.bearer(client.tokens(each)["access_token"])
        assert browser.send("logout/all/").status_code == 204
        browser = client.bearer(client.tokens(each)["access_token"])
        page = browser.send(f"{prefix}me/clients/", method="get").json()
        assert page["count"] == 1
        pages[each] = page["results"][0]
    assert set(pages[user]) == {
        *("client_id", "client_name", "scope", "acts_as_you", "registered_by_you", "created_at", "last_used_at"),
    }
    assert {each["client_id"] for each in pages.values()} == {row.client_id}
    assert (pages[user]["acts_as_you"], pages[user]["registered_by_you"]) == (True, False)
    assert (pages[thief]["acts_as_you"], pages[thief]["registered_by_you"]) == (False, True)
