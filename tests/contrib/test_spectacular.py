"""OpenAPI: the schema agrees with the requests and the answers of the endpoints."""

import pytest
from django.urls import include, path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from jsonschema import Draft202012Validator
from rest_framework import serializers
from rest_framework.views import APIView

from jwt_auth import browser_urls, urls
from jwt_auth.authentication import (
    ClientJWTAuthentication,
    JWTAuthentication,
    JWTCookieAuthentication,
    UserOrClientJWTAuthentication,
)
from jwt_auth.views import LoginView, Reauthentication, SignInSerializer, SignInView
from jwt_auth.views.introspection import RESPONSE_MEDIA_TYPE
from tests.support.api_clients import register
from tests.support.browser import Browser
from tests.support.schemas import AS_THE_GUIDE_SAYS, generate

PATTERNS = [path("auth/", include("jwt_auth.urls")), path("auth/browser/", include("jwt_auth.browser_urls"))]
ONE, TWO = "https://one.example.com", "https://two.example.com"
GRANT = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "audience": TWO,
}

BEARER, COOKIE, SIGNED = {"jwtAuth": []}, {"jwtCookieAuth": []}, {"clientJWTAuth": []}
PUBLIC = [{}]


@pytest.fixture(scope="module")
def schema():
    return generate(*PATTERNS)


@pytest.fixture
def said(schema):
    """`said(name, answer)` returns the body of the answer, which must match the operation of that name."""
    operations = {item["operationId"]: item for methods in schema["paths"].values() for item in methods.values()}

    def check(name, answer):
        responses = operations[f"jwt_{name}"]["responses"]
        assert str(answer.status_code) in responses, (name, answer.status_code, answer.content)
        content = responses[str(answer.status_code)].get("content", {})
        if not content:
            assert not answer.content
            return None
        media_type = answer["Content-Type"].partition(";")[0]
        body = answer.json() if media_type == "application/json" else answer.content.decode()
        documented = with_null({**content[media_type]["schema"], "components": schema["components"]})
        Draft202012Validator(documented).validate(body)
        assert no_more_than(documented, body, schema["components"]["schemas"])
        return body

    return check


def with_null(documented):
    """Return a schema in which JSON Schema replaces OpenAPI 3.0's `nullable`."""
    if isinstance(documented, list):
        return [with_null(item) for item in documented]
    if not isinstance(documented, dict):
        return documented
    changed = {name: with_null(value) for name, value in documented.items()}
    return {"anyOf": [changed, {"type": "null"}]} if documented.get("nullable") is True else changed


def no_more_than(documented, body, components):
    """Return whether each member of `body` is documented, at every depth."""
    documented = components.get(documented.get("$ref", "").rpartition("/")[2], documented)
    if isinstance(body, list):
        return all(no_more_than(documented.get("items", {}), item, components) for item in body)
    if not isinstance(body, dict) or "additionalProperties" in documented or "properties" not in documented:
        return True
    known = documented["properties"]
    return all(name in known and no_more_than(known[name], value, components) for name, value in body.items())


def operations_of(module, prefix):
    """Yield every method that is answered, with the path as the schema writes it."""
    for pattern in module.urlpatterns:
        name = str(pattern.pattern).replace("<uuid:", "{").replace("<str:", "{").replace(">", "}")
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(pattern.callback.cls, method):
                yield prefix + name, method


def test_every_endpoint_is_described(schema):
    described = {(name, method) for name, methods in schema["paths"].items() for method in methods}
    assert described == {*operations_of(urls, "/auth/"), *operations_of(browser_urls, "/auth/browser/")}
    operations = [item for methods in schema["paths"].values() for item in methods.values()]
    assert all(item["operationId"].startswith("jwt_") and item["summary"] for item in operations)
    assert all(item["responses"]["503"] for item in operations)


@pytest.mark.parametrize(
    ("name", "method", "security"),
    [
        ("login/", "post", PUBLIC),
        ("logout/", "post", PUBLIC),
        (".well-known/jwks.json", "get", PUBLIC),
        ("logout/all/", "post", [BEARER]),
        ("clients/", "get", [BEARER]),
        ("me/", "get", [BEARER, SIGNED]),
        ("introspect/", "post", [BEARER, SIGNED]),
        ("token/", "post", [SIGNED, {}]),
        ("browser/refresh/", "post", PUBLIC),
        ("browser/me/", "get", [BEARER, COOKIE]),
    ],
)
def test_it_says_who_may_ask(schema, name, method, security):
    assert schema["paths"][f"/auth/{name}"][method]["security"] == security


def test_schemes_say_how_a_token_travels(schema, jwt_settings):
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    cookie = {"type": "apiKey", "in": "cookie", "name": "__Host-Http-access"}
    schemes = {"jwtAuth": bearer, "clientJWTAuth": bearer, "jwtCookieAuth": cookie}
    assert schema["components"]["securitySchemes"] == schemes
    jwt_settings(COOKIE_ACCESS_NAME="__Host-token")
    changed = generate(path("films/", films(JWTCookieAuthentication)))
    assert changed["components"]["securitySchemes"]["jwtCookieAuth"]["name"] == "__Host-token"


class SessionSerializer(serializers.Serializer):
    """A serializer with the name of one of this app's."""

    film = serializers.CharField()


@AS_THE_GUIDE_SAYS
def films(*classes):
    class View(APIView):
        authentication_classes = classes
        permission_classes = []

        @extend_schema(responses=SessionSerializer)
        def get(self, request): ...

    return View.as_view()


def test_views_of_the_project_are_described_beside_them():
    asked = {
        "user": (JWTAuthentication, [BEARER]),
        "fresh": (JWTAuthentication.with_revocation("database"), [BEARER]),
        "page": (JWTCookieAuthentication, [COOKIE]),
        "bound": (ClientJWTAuthentication.with_binding(), [SIGNED]),
        "anyone": (UserOrClientJWTAuthentication, [BEARER, SIGNED]),
    }
    schema = generate(*PATTERNS, *(path(name, films(found)) for name, (found, _) in asked.items()))
    for name, (_, security) in asked.items():
        assert schema["paths"][f"/{name}"]["get"]["security"] == security
    assert list(schema["components"]["schemas"]["Session"]["properties"]) == ["film"]
    assert "current" in schema["components"]["schemas"]["JWTSession"]["properties"]


def test_a_project_may_describe_a_class_of_ours_otherwise(monkeypatch):
    monkeypatch.setattr(OpenApiAuthenticationExtension, "_registry", [*OpenApiAuthenticationExtension._registry])

    class Own(OpenApiAuthenticationExtension):
        target_class = JWTAuthentication
        name = "own"

        def get_security_definition(self, auto_schema):
            return {"type": "http", "scheme": "bearer"}

    schema = generate(path("films/", films(JWTAuthentication, JWTCookieAuthentication)))
    assert schema["paths"]["/films/"]["get"]["security"] == [{"own": []}, COOKIE]


def test_a_user_is_answered_as_it_says(said, client, user, clock):
    refused = client.login(user, "wrong")
    assert said("login", refused)["code"] == "invalid_credentials"
    assert "password" in said("login", client.send("login/", {}))["errors"]
    tokens = said("login", client.login(user))
    said("refresh", client.send("refresh/", {"refresh_token": "x"}))
    tokens = said("refresh", client.refresh(tokens["refresh_token"]))
    signed_in = client.bearer(tokens["access_token"])
    assert said("me", signed_in.get("/auth/me/"))["session"] == tokens["session"]
    said("me", client.get("/auth/me/"))
    (listed,) = said("sessions", signed_in.get("/auth/sessions/"))["results"]
    assert listed["ip_address"] == "127.0.0.1"
    said("verify", client.send("verify/", {"token": tokens["access_token"]}))
    said("end_other_sessions", signed_in.send("sessions/", method="delete"))
    other = client.tokens(user)["session"]
    assert said("rename_session", signed_in.send(f"sessions/{other}/", {"label": "phone"}, "patch"))["label"] == "phone"
    said("rename_session", signed_in.send(f"sessions/{other}/", {"label": "a\nb"}, "patch"))
    said("end_session", signed_in.send(f"sessions/{other}/", method="delete"))
    said("end_session", signed_in.send(f"sessions/{listed['id'][:-12]}000000000000/", method="delete"))
    said("revoke_user", signed_in.send("revoke/user/", {"user": str(user.pk)}))
    said("revoke", client.send("revoke/", {"token": "x"}))
    said("logout", client.send("logout/"))
    said("logout", client.send("logout/", {"refresh_token": tokens["refresh_token"]}))
    said("logout_all", client.bearer(client.tokens(user)["access_token"]).send("logout/all/"))
    said("verify", client.send("verify/", {"token": tokens["access_token"]}))


def test_a_browser_is_answered_as_it_says(said, user, clock):
    page = Browser()
    assert set(said("browser_login", page.login(user))) == {"expires_in", "refresh_expires_in", "session"}
    said("browser_refresh", page.renew())
    said("browser_me", page.me())
    said("browser_sessions", page.get("/auth/browser/sessions/"))
    here = page.me().json()["session"]
    said("browser_rename_session", page.send(f"sessions/{here}/", {"label": "desk"}, "patch"))
    said("browser_end_other_sessions", page.send("sessions/", method="delete"))
    forged = page.send("logout/", HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example.com")
    assert said("browser_logout", forged)["code"] == "csrf_failed"
    said("browser_logout", page.send("logout/"))
    said("browser_refresh", page.renew())


def test_staff_are_answered_as_it_says(said, client, user, staff, clock):
    boss = client.bearer(client.tokens(staff)["access_token"])
    done = said("revoke_user", boss.send("revoke/user/", {"user": user.pk}))
    assert done["user"] == user.pk or done["user"] == str(user.pk)
    registered = said("register_client", boss.send("clients/", {"client_name": "a", "user": str(user.pk), "key": {}}))
    assert registered["key"]["client_secret"]
    said("register_client", boss.send("clients/", {"client_name": "b", "user": str(user.pk)}))
    one = f"clients/{registered['client_id']}/"
    assert len(said("clients", boss.get("/auth/clients/"))["results"]) == 2
    said("client", boss.get(f"/auth/{one}"))
    said("client", boss.get("/auth/clients/nobody/"))
    said("change_client", boss.send(one, {"scope": "read"}, "patch"))
    assert said("add_client_key", boss.send(f"{one}keys/", {"alg": "HS512"}))["jwk"] is None
    said("add_client_key", boss.send(f"{one}keys/", {"alg": "none"}))
    key = f"{one}keys/{registered['key']['kid']}/"
    said("rotate_client_key", boss.send(f"{key}rotate/"))
    keys = said("client_keys", boss.get(f"/auth/{one}keys/"))["results"]
    assert {item["rotated_at"] is None for item in keys} == {True, False}
    said("revoke_client_key", boss.send(key, method="delete"))
    said("revoke_client", boss.send(f"{one}revoke/"))
    said("disable_client", boss.send(one, method="delete"))
    said("client", client.bearer(client.tokens(user)["access_token"]).get(f"/auth/{one}"))


def test_other_servers_are_answered_as_it_says(said, client, user, staff, jwt_settings, ec_settings, clock):
    jwt_settings(ISSUER=ONE, **ec_settings, SERVICE_AUDIENCES={TWO: {"USERS": ["read"]}})
    tokens = client.tokens(user)
    boss = client.bearer(client.tokens(staff)["access_token"])
    said("exchange", client.send("token/", {**GRANT, "subject_token": tokens["access_token"]}))
    assert said("exchange", client.send("token/", {**GRANT, "subject_token": "x"}))["error"] == "invalid_request"
    for name in ("access_token", "refresh_token"):
        assert said("introspect", boss.send("introspect/", {"token": tokens[name]}))["active"]
    said("introspect", boss.send("introspect/", {"token": "x"}))
    said("introspect", boss.send("introspect/", {"token": "x"}, HTTP_ACCEPT=RESPONSE_MEDIA_TYPE))
    machine = client.bearer(register(user, scopes="introspect").token(aud=ONE))
    assert said("me", machine.get("/auth/me/"))["session"] is None
    published = {"jwks": "jwks.json", "metadata": "oauth-authorization-server", "revocations": "revocations"}
    for name, document in published.items():
        answer = client.get(f"/auth/.well-known/{document}")
        assert said(name, answer)
        said(name, client.get(f"/auth/.well-known/{document}", HTTP_IF_NONE_MATCH=answer["ETag"]))
    subject = {"format": "opaque", "id": client.get_me(tokens["access_token"]).json()["user"]["id"]}
    said("revoke_global", boss.send("revoke/global/", {"sub_id": subject}))


def fields(schema, content):
    """Return the names of the fields of a body, or of an answer."""
    name = content["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return schema["components"]["schemas"][name]["properties"].keys()


class PinSerializer(SignInSerializer):
    pin = serializers.CharField()


class PinView(SignInView):
    """Sign in with a PIN."""

    serializer_class = PinSerializer


class PinStepView(PinView):
    step = "pin"


class RenamedLoginView(LoginView):
    name_field = "login"


@pytest.mark.parametrize(
    ("view", "body", "answer"),
    [
        (PinView, {"pin", "label", "remember"}, {"access_token", "refresh_token"}),
        (PinView.for_browsers(), {"pin", "label", "remember"}, {"session"}),
        (PinStepView, {"pin", "label", "remember", "ticket"}, {"access_token"}),
        (RenamedLoginView, {"login", "password", "label", "remember"}, {"access_token"}),
    ],
)
def test_a_sign_in_of_the_projects_own_is_described(view, body, answer):
    schema = generate(path("in/", view.as_view()))
    operation = schema["paths"]["/in/"]["post"]
    assert {"200", "202", "400", "401", "429", "503"} <= operation["responses"].keys()
    assert ("403" in operation["responses"]) == (view.transport == "cookie")
    assert operation["security"] == [{}]

    assert fields(schema, operation["requestBody"]) == body
    tokens = fields(schema, operation["responses"]["200"])
    assert answer <= tokens
    assert ("access_token" in tokens) == (view.transport == "bearer")


class CodeSerializer(SignInSerializer):
    code = serializers.CharField()


class CodeView(SignInView):
    serializer_class = CodeSerializer


class PlainView(SignInView):
    """Its body has the fields of each sign-in, and no others."""


def test_each_sign_in_of_the_projects_own_has_a_body_of_its_own():
    views = {"pin": PinView, "code": CodeView, "plain": PlainView}
    schema = generate(*(path(f"{name}/", view.as_view()) for name, view in views.items()))
    bodies = {name: fields(schema, schema["paths"][f"/{name}/"]["post"]["requestBody"]) for name in views}
    usual = {"label", "remember"}
    assert bodies == {"pin": {*usual, "pin"}, "code": {*usual, "code"}, "plain": usual}
    assert {"Pin", "Code", "JWTSignIn"} <= schema["components"]["schemas"].keys()


class PinAgainView(Reauthentication, PinView): ...


def test_a_reauthentication_of_the_projects_own_is_described_with_its_token():
    operation = generate(path("again/", PinAgainView.as_view()))["paths"]["/again/"]["post"]
    assert {} not in operation["security"]
    assert operation["security"]


def test_browsers_that_get_access_tokens_in_bodies_are_described(jwt_settings, user):
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    own = path("in/", type("OwnIn", (LoginView,), {}).for_browsers().as_view())
    schema = generate(*PATTERNS, own)
    answer = schema["paths"]["/auth/browser/login/"]["post"]["responses"]["200"]["content"]["application/json"]
    (component,) = [answer["schema"]["$ref"].rpartition("/")[2]]
    members = set(schema["components"]["schemas"][component]["properties"])
    assert members == set(Browser().login(user).json())
    for name in ("/auth/browser/refresh/", "/auth/browser/reauthenticate/", "/auth/browser/session/", "/in/"):
        assert schema["paths"][name]["post"]["responses"]["200"]["content"]["application/json"] == answer
    assert schema["paths"]["/auth/browser/me/"]["get"]["security"] == [BEARER]
    assert "jwtCookieAuth" not in schema["components"]["securitySchemes"]
    bearer = schema["paths"]["/auth/login/"]["post"]["responses"]["200"]["content"]["application/json"]
    assert bearer["schema"] != answer["schema"]
