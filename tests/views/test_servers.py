"""The metadata of this server (RFC 8414) and Global Token Revocation."""

import uuid

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import clear_script_prefix, include, path, re_path, set_script_prefix
from rest_framework.permissions import BasePermission

from jwt_auth import clients
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.models import RegisteredClient, RevocationEvent
from jwt_auth.views import MetadataView
from jwt_auth.views.metadata import has_address
from jwt_auth.views.users import MeView
from tests.support.answers import assert_error
from tests.support.api_clients import register
from tests.support.browser import credentials

METADATA = "/auth/.well-known/oauth-authorization-server"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

ISSUER = "https://api.example.com"
ALWAYS = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/auth/.well-known/jwks.json",
    "response_types_supported": [],
    "revocation_endpoint": f"{ISSUER}/auth/revoke/",
    "revocation_endpoint_auth_methods_supported": ["none"],
    "introspection_endpoint": f"{ISSUER}/auth/introspect/",
    "introspection_endpoint_auth_methods_supported": ["Bearer"],
    "global_token_revocation_endpoint": f"{ISSUER}/auth/revoke/global/",
}
WITH_A_KEY_PAIR = {
    "introspection_signing_alg_values_supported": ["ES256"],
    "revocations_uri": f"{ISSUER}/auth/.well-known/revocations",
}
WITH_EXCHANGE = {
    "token_endpoint": f"{ISSUER}/auth/token/",
    "token_endpoint_auth_methods_supported": ["none", "private_key_jwt", "client_secret_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    "grant_types_supported": [EXCHANGE],
}


# Metadata


def test_only_what_there_is_is_said(client, jwt_settings, ec_settings):
    jwt_settings(ISSUER=ISSUER)
    assert client.get(METADATA).json() == ALWAYS
    jwt_settings(**ec_settings)
    assert client.get(METADATA).json() == {**ALWAYS, **WITH_A_KEY_PAIR}
    jwt_settings(SERVICE_AUDIENCES={"https://two.example.com": {}})
    assert client.get(METADATA).json() == {**ALWAYS, **WITH_A_KEY_PAIR, **WITH_EXCHANGE}


def test_each_address_leads_somewhere(client, jwt_settings, ec_settings, db):
    jwt_settings(ISSUER=ISSUER, **ec_settings, SERVICE_AUDIENCES={"https://two.example.com": {}})
    said = client.get(METADATA).json()
    addresses = {name: url for name, url in said.items() if name.endswith(("_uri", "_endpoint"))}
    assert len(addresses) == 6
    for name, url in addresses.items():
        answer = client.get(url.removeprefix(ISSUER))
        asks_who_calls = name.startswith(("introspection", "global"))
        assert answer.status_code == (200 if name.endswith("_uri") else 401 if asks_who_calls else 405), name


def test_a_forged_host_is_not_believed(client, jwt_settings):
    jwt_settings(ISSUER=ISSUER)
    assert client.get(METADATA, HTTP_HOST="evil.example.com").json() == ALWAYS


def test_it_is_kept_for_minutes_and_read_by_pages_of_others(client, jwt_settings):
    jwt_settings(ISSUER=ISSUER)
    answer = client.get(METADATA)
    assert (answer["Cache-Control"], answer["Access-Control-Allow-Origin"]) == ("public, max-age=300", "*")
    assert client.get(METADATA, HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304
    assert client.post(METADATA).status_code == 405


def test_an_issuer_that_is_no_address_has_no_metadata(client, jwt_settings):
    answer = client.get(METADATA)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    jwt_settings(ISSUER=ISSUER)
    assert client.get(METADATA).status_code == 200


@pytest.mark.parametrize(
    ("issuer", "good"),
    [
        (ISSUER, True),
        (f"{ISSUER}/auth", True),
        ("https://api.example.com:8443", True),
        ("http://api.example.com", False),
        ("https://", False),
        ("api.example.com", False),
        (f"{ISSUER}?a=b", False),
        (f"{ISSUER}#a", False),
        ("https://[::1", False),
        ("jwt_auth", False),
    ],
)
def test_an_address_is_an_https_url_alone(issuer, good):
    assert has_address(issuer) == good


class WellKnown:
    """A project whose issuer has a path: the metadata are at the root of the host (RFC 8414 section 3.1)."""

    urlpatterns = (
        path(".well-known/oauth-authorization-server/auth", MetadataView.as_view()),
        path("auth/", include("jwt_auth.urls")),
    )


def test_a_project_puts_it_where_readers_look(client, jwt_settings):
    jwt_settings(ISSUER=f"{ISSUER}/auth")
    with override_settings(ROOT_URLCONF=WellKnown):
        answer = client.get("/.well-known/oauth-authorization-server/auth")
    assert answer.json() == {**ALWAYS, "issuer": f"{ISSUER}/auth"}


ROOT = path(".well-known/oauth-authorization-server", MetadataView.as_view())
OURS = path("auth/", include("jwt_auth.urls"))


def under(prefix, *patterns, name=None):
    """The URLs of a project, with `patterns` below `prefix`, in a namespace if it has a name."""
    return path(prefix, include((patterns, name) if name else [*patterns]))


@pytest.mark.parametrize(
    ("urls", "asked", "named"),
    [
        ([under("api/", OURS, name="api")], "/api/auth/", "/api/auth/"),
        ([under("api/", OURS, name="v1"), ROOT], "/", "/api/auth/"),
        ([under("a/", under("b/", OURS, name="inner"), name="outer"), ROOT], "/", "/a/b/auth/"),
        ([path("auth/", include("jwt_auth.urls", namespace="other")), ROOT], "/", "/auth/"),
        # Several: the nearest, or the default one
        ([under("old/", OURS, name="old"), OURS, ROOT], "/", "/auth/"),
        ([under("one/", OURS, name="one"), under("two/", OURS, ROOT, name="two")], "/two/", "/two/auth/"),
        ([under("one/", OURS, ROOT, name="one"), under("two/", OURS, name="two")], "/one/", "/one/auth/"),
        ([under("one/", OURS, name="one"), under("two/", OURS, name="two"), ROOT], "/", "/one/auth/"),
        # A path with parameters
        ([under("<str:version>/", OURS)], "/v1/auth/", "/v1/auth/"),
        ([under("<str:version>/", OURS, ROOT)], "/v2/", "/v2/auth/"),
        ([re_path("^(v1|v2)/", include([OURS, ROOT]))], "/v2/", "/v2/auth/"),
        ([under("<str:version>/", OURS, name="a"), under("x/", OURS, name="b"), ROOT], "/", "/x/auth/"),
        ([path("<str:tenant>/" + ROOT.pattern._route, MetadataView.as_view()), OURS], "/a/", "/auth/"),
    ],
)
def test_it_names_the_endpoints_wherever_they_are(client, jwt_settings, urls, asked, named):
    jwt_settings(ISSUER=ISSUER)
    with override_settings(ROOT_URLCONF=type("Project", (), {"urlpatterns": urls})):
        found = client.get(f"{asked}.well-known/oauth-authorization-server").json()
        assert found["jwks_uri"] == f"{ISSUER}{named}.well-known/jwks.json"
        assert client.get(found["jwks_uri"].removeprefix(ISSUER)).status_code == 200
        assert found["revocation_endpoint"] == f"{ISSUER}{named}revoke/"


@pytest.mark.parametrize("urls", [[ROOT], [ROOT, under("<str:version>/", OURS)]])
def test_without_endpoints_to_name_there_is_no_metadata(client, jwt_settings, urls):
    jwt_settings(ISSUER=ISSUER)
    with override_settings(ROOT_URLCONF=type("Project", (), {"urlpatterns": urls})):
        answer = client.get("/.well-known/oauth-authorization-server")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_prefix_of_the_server_and_of_the_language_are_named(client, jwt_settings, settings):
    jwt_settings(ISSUER=ISSUER)
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE]
    with override_settings(ROOT_URLCONF=type("Project", (), {"urlpatterns": [*i18n_patterns(OURS), ROOT]})):
        set_script_prefix("/shop/")  # as a server does with FORCE_SCRIPT_NAME
        try:
            found = client.get("/.well-known/oauth-authorization-server", headers={"accept-language": "de"})
        finally:
            clear_script_prefix()
    assert found.json()["jwks_uri"] == f"{ISSUER}/shop/de/auth/.well-known/jwks.json"


def test_endpoints_below_a_path_with_parameters(client, user):
    """The parameters of the project's path, such as a version, are not for the endpoints; their own are."""
    for urls in ([under("<str:version>/", OURS)], [re_path("^(v1)/", include([OURS]))]):
        with override_settings(ROOT_URLCONF=type("Project", (), {"urlpatterns": urls})):
            pair = client.post("/v1/auth/login/", credentials(user), content_type="application/json").json()
            assert client.get("/v1/auth/login/").status_code == 405
            signed_in = client.bearer(pair["access_token"])
            assert signed_in.get("/v1/auth/me/").status_code == 200
            assert signed_in.delete(f"/v1/auth/sessions/{pair['session']}/").status_code == 204
            assert signed_in.get("/v1/auth/me/").status_code == 401


class OfTenant(BasePermission):
    def has_permission(self, request, view):
        return view.kwargs["tenant"] == "acme"


def test_a_projects_permission_sees_the_parameters_of_the_path(client, user):
    urls = [path("<tenant>/me/", MeView.as_view(permission_classes=[OfTenant])), OURS]
    with override_settings(ROOT_URLCONF=type("Project", (), {"urlpatterns": urls})):
        pair = client.post("/auth/login/", credentials(user), content_type="application/json").json()
        signed_in = client.bearer(pair["access_token"])
        assert signed_in.get("/acme/me/").status_code == 200
        assert signed_in.get("/other/me/").status_code == 403


@pytest.mark.parametrize("method", ["ARGS", "KWARGS", "REQUEST", "SCHEMA", "THROTTLE_CLASSES", "CONNECT", "get"])
def test_a_method_is_no_attribute_of_a_view(client, method):
    with override_settings(ROOT_URLCONF=type("Project", (), {"urlpatterns": [under("<str:version>/", OURS)]})):
        assert client.generic(method, f"/v1/auth/sessions/{uuid.uuid4()}/").status_code in (401, 405)


def test_a_deployment_whose_name_is_no_address_is_warned(jwt_settings, ec_settings):
    def warned():
        return "jwt_auth.W085" in {message.id for message in run_checks(include_deployment_checks=True)}

    jwt_settings(ISSUER="orders", **ec_settings)
    assert not warned()
    jwt_settings(SERVICE_AUDIENCES={"https://two.example.com": {}})
    assert warned()
    jwt_settings(ISSUER=ISSUER)
    assert not warned()


# Global Token Revocation


@pytest.fixture
def revoking(client, make_user):
    """A client of a user who may revoke users, and nothing else."""
    officer = make_user("officer")
    officer.user_permissions.add(Permission.objects.get(codename="revoke_user"))
    return client.bearer(client.tokens(officer)["access_token"])


def revoke(revoking, **sub_id):
    return revoking.send("revoke/global/", {"sub_id": sub_id})


@pytest.mark.parametrize("form", ["iss_sub", "opaque"])
def test_a_subject_loses_all_tokens(client, revoking, make_user, form):
    alice, bob = make_user("alice"), make_user("bob")
    pair, bystander = client.tokens(alice), client.tokens(bob)
    members = {"iss": "jwt_auth", "sub": user_id_of(alice)} if form == "iss_sub" else {"id": user_id_of(alice)}
    answer = revoke(revoking, format=form, **members)
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (204, b"", "no-store")
    assert client.is_dead(pair)
    assert not client.is_dead(bystander)
    assert not client.is_dead(client.tokens(alice))  # a new sign-in works


def test_it_is_on_the_record(client, revoking, user):
    revoke(revoking, format="opaque", id=user_id_of(user))
    event = RevocationEvent.objects.get()
    assert (event.scope, event.subject, event.reason) == ("user", user_id_of(user), "global token revocation")
    assert event.actor == client.get_me(revoking._credentials["HTTP_AUTHORIZATION"][7:]).json()["user"]["id"]


def test_the_subject_is_the_one_of_tokens_whichever_field_that_is(client, revoking, user, jwt_settings):
    jwt_settings(USER_ID_FIELD=user.USERNAME_FIELD)
    revoking = client.bearer(client.tokens(type(user)._default_manager.exclude(pk=user.pk).get())["access_token"])
    assert_error(revoke(revoking, format="opaque", id=str(user.pk)), 404, "not_found")
    assert revoke(revoking, format="opaque", id=user.get_username()).status_code == 204


@pytest.mark.parametrize("subject", ["nobody", "-1", " 1", "01", "1.0", "9" * 255, "\u00e9", str(uuid.UUID(int=7))])
def test_nobody_is_not_found(revoking, subject):
    assert_error(revoke(revoking, format="opaque", id=subject), 404, "not_found")
    assert_error(revoke(revoking, format="iss_sub", iss="jwt_auth", sub=subject), 404, "not_found")


@pytest.mark.parametrize("iss", ["JWT_AUTH", "jwt_auth ", "https://two.example.com"])
def test_a_subject_of_another_issuer_is_not_found(client, revoking, user, iss):
    pair = client.tokens(user)
    assert_error(revoke(revoking, format="iss_sub", iss=iss, sub=user_id_of(user)), 404, "not_found")
    assert not client.is_dead(pair)


@pytest.mark.parametrize(
    "sub_id",
    [
        None,
        "alice",
        [],
        {},
        {"format": "iss_sub"},
        {"format": "iss_sub", "iss": "jwt_auth"},
        {"format": "iss_sub", "sub": "1"},
        {"format": "iss_sub", "iss": "jwt_auth", "sub": 1},
        {"format": "iss_sub", "iss": "jwt_auth", "sub": "1", "id": "1"},
        {"format": "iss_sub", "id": "1"},
        {"format": "opaque"},
        {"format": "opaque", "id": ""},
        {"format": "opaque", "id": "x" * 256},
        {"format": "opaque", "id": ["1"]},
        {"format": "opaque", "sub": "1"},
        {"format": "email", "email": "alice@example.com"},
        {"format": ["opaque"], "id": "1"},
        {"id": "1"},
    ],
)
def test_what_is_no_subject_identifier_is_an_invalid_request(revoking, sub_id):
    assert_error(revoking.send("revoke/global/", {"sub_id": sub_id}), 400, "invalid_request")


def test_only_those_with_the_permission_revoke(client, make_user, user):
    pair = client.tokens(user)
    body = {"sub_id": {"format": "opaque", "id": user_id_of(user)}}
    other = client.bearer(client.tokens(make_user("bob"))["access_token"])
    assert_error(other.send("revoke/global/", body), 403, "permission_denied")
    assert_error(client.send("revoke/global/", body), 401, "not_authenticated")
    client.cookies["__Host-Http-access"] = client.tokens(make_user("root", is_superuser=True))["access_token"]
    assert_error(client.send("revoke/global/", body), 401, "not_authenticated")
    assert not client.is_dead(pair)


def test_a_client_revokes_by_its_scope(client, make_user, user):
    pair = client.tokens(user)
    body = {"sub_id": {"format": "opaque", "id": user_id_of(user)}}
    other = register(make_user("root", is_superuser=True), scopes="read")
    answer = client.bearer(other.token()).send("revoke/global/", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert not client.is_dead(pair)
    api = register(make_user("robot"), scopes="revoke_user")
    assert client.bearer(api.token()).send("revoke/global/", body).status_code == 204
    assert client.is_dead(pair)
    assert RevocationEvent.objects.get(scope="user").actor == api.client_id


def test_a_client_revokes_while_the_cache_of_used_tokens_is_down(client, make_user, user, settings):
    pair, api = client.tokens(user), register(make_user("robot"), scopes="revoke_user introspect")
    body = {"sub_id": {"format": "opaque", "id": user_id_of(user)}}
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    token = api.token()
    assert client.bearer(token).send("revoke/global/", body).status_code == 204
    assert client.is_dead(pair)
    assert_error(client.bearer(token).send("revoke/global/", body), 401, "token_replayed")
    # The control: other requests are refused, because their token might have been used before.
    assert client.bearer(api.token()).send("introspect/", {"token": "x"}).status_code == 503


def test_clients_of_the_user_end_on_request_by_a_scope_or_a_permission_of_its_own(client, make_user, user, staff):
    row = clients.register("reports", user, actor=staff)
    body = {"sub_id": {"format": "opaque", "id": user_id_of(user)}, "with_clients": True}
    robot, desk = make_user("robot"), make_user("desk")
    desk.user_permissions.add(Permission.objects.get(codename="revoke_user"))
    refused = client.bearer(client.tokens(desk)["access_token"]).send("revoke/global/", body)
    assert_error(refused, 403, "permission_denied")
    narrow = register(robot, scopes="revoke_user")
    answer = client.bearer(narrow.token()).send("revoke/global/", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    allowed = client.bearer(narrow.token()).send("revoke/global/", {**body, "with_clients": False})
    assert allowed.status_code == 204
    assert RegisteredClient.objects.get(pk=row.pk).is_active
    api = register(robot, scopes="revoke_user revoke_client")
    assert client.bearer(api.token()).send("revoke/global/", body).status_code == 204
    assert not RegisteredClient.objects.get(pk=row.pk).is_active
