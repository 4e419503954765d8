"""Each kind of token at each endpoint, in the admin and in plain views, as docs/reference/tokens.md says."""

import re
from types import ModuleType
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib import admin
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, include, path, reverse

from jwt_auth import browser_urls, service_tokens, sessions, urls
from jwt_auth.jose import tokens
from jwt_auth.keyring.stored import own_keys
from jwt_auth.middleware import JWTUserMiddleware
from jwt_auth.models import RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.verification import identify_only
from jwt_auth.views.metadata import TOKEN_EXCHANGE
from jwt_auth.views.serializers import ACCESS_TOKEN_URN
from tests.support import ROOT
from tests.support.admin import text_of
from tests.support.api_clients import register
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.clocks import NOW
from tests.support.keys import pem, public_pem

HERE, THERE, ISSUER, AWAY = (f"https://{name}.example.com" for name in ("here", "there", "issuer", "away"))

KINDS = ("sign-in", "scoped", "foreign", "unscoped", "exchanged", "outbound", "client")


def table(first: str) -> list[list[list[str]]]:
    """Return the rows of each table of the page whose first column has this title."""
    found: list[list[list[str]]] = []
    lines = (ROOT / "docs/reference/tokens.md").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith(f"| {first} |"):
            rows = []
            for row in lines[number + 2 :]:
                if not row.startswith("|"):
                    break
                rows.append([cell.strip() for cell in row.strip("|").split("|")])
            found.append(rows)
    return found


(ENDPOINTS,) = table("request")
AS_USUAL, ACCEPTING = table("pages")

CELLS = [
    pytest.param(request, scope.strip("`"), kind, cell, id=f"{request.replace('`', '')}-{kind}")
    for request, scope, *cells in ENDPOINTS
    for kind, cell in zip(KINDS, cells, strict=True)
]


def plain(request):
    return HttpResponse(request.user.get_username())


class Accepting(JWTUserMiddleware):
    """The middleware of a project that accepts tokens with scopes in its own views."""

    def accepts(self, request, claims):
        return True


@pytest.fixture
def scene(jwt_settings, clock, staff, client, ec_key, rsa_key):
    """Servers, a superuser, an API client of theirs, and `mint`: functions by kind that make a token with a scope."""
    staff.is_superuser = staff.is_staff = True
    staff.save()
    other_key = ec.generate_private_key(ec.SECP256R1())
    there = {"ISSUER": THERE, "ALGORITHM": "ES256", "SIGNING_KEY": pem(other_key)}
    here = {
        "ISSUER": HERE,
        "ALGORITHM": "ES256",
        "SIGNING_KEY": pem(ec_key),
        "SERVICE_AUDIENCES": {AWAY: {"USERS": ["reports"]}},
        "TRUSTED_ISSUERS": {
            ISSUER: {
                "KEYS": public_pem(rsa_key),
                "ALGORITHMS": ["RS256"],
                "PRINCIPAL": "user",
                "USER_FIELD": staff.USERNAME_FIELD,
            },
            THERE: {
                "KEYS": public_pem(other_key),
                "ALGORITHMS": ["ES256"],
                "PRINCIPAL": "user",
                "USER_FIELD": "id",
            },
        },
    }
    jwt_settings(**here)
    api = register(staff, scopes="sessions revoke_user introspect clients")
    sessions.start(staff)

    def foreign(**claims):
        second = int(NOW.timestamp())
        usual = {"iss": ISSUER, "aud": HERE, "sub": staff.get_username(), "iat": second, "exp": second + 60}
        return jwt.encode({**usual, **claims}, rsa_key, "RS256", headers={"typ": "at+jwt"})

    def scoped(scope):
        claims = {**identify_only(client.tokens(staff)["access_token"]).as_dict(), "scope": scope}
        return tokens.encode(claims, own_keys().signing, "at+jwt")

    def exchanged(scope):
        jwt_settings(**there, SERVICE_AUDIENCES={HERE: {"USERS": ["x"]}}, TRUSTED_ISSUERS={})
        issued = service_tokens.issue(staff, HERE, scope, actor="client_7").access_token
        jwt_settings(**here)
        return issued

    mint = {
        "sign-in": lambda scope: client.tokens(staff)["access_token"],
        "scoped": scoped,
        "foreign": lambda scope: foreign(scope=scope),
        "unscoped": lambda scope: foreign(),
        "exchanged": exchanged,
        "outbound": lambda scope: service_tokens.issue(staff, AWAY, scope).access_token,
        "client": lambda scope: api.token(aud=HERE, scope=scope),
    }
    return {"user": staff, "client": api, "mint": mint, "http": client}


def ask(scene, request, raw):
    """Send the request that a row of the table names, and return the answer."""
    method, template = request.replace("`", "").split()
    user, api = scene["user"], scene["client"]
    facts = {"<session>": str(UserSession.objects.latest("pk").pk), "<client>": api.client_id, "<kid>": api.key.kid}
    exchange = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN_URN, "audience": AWAY}
    body: Any = {
        "revoke/user/": {"user": user.pk},
        "revoke/global/": {"sub_id": {"format": "opaque", "id": str(user.pk)}},
        "introspect/": {"token": "x"},
        "clients/": {"client_name": "another", "user": user.pk},
        "clients/<client>/": {"client_name": "renamed"},
        "reauthenticate/": {"password": PASSWORD},
        "sessions/<session>/": {"label": "renamed"},
        "verify/": {"token": raw},
        "token/": {**exchange, "subject_token": raw},
    }.get(template)
    url = "/auth/" + re.sub("<[a-z]+>", lambda match: facts[match[0]], template)
    sender = scene["http"] if template in ("verify/", "token/") else scene["http"].bearer(raw)
    return sender.get(url) if method == "GET" else sender.send(url, body, method=method.lower())


@pytest.mark.parametrize(("request_", "scope", "kind", "cell"), CELLS)
def test_at_an_endpoint(scene, request_, scope, kind, cell):
    def status(scope):
        answer = ask(scene, request_, scene["mint"][kind](scope))
        if answer.status_code == 403:
            assert answer.json()["code"] == "insufficient_scope"
        return answer.status_code

    if cell == "scope":
        assert status("other") == 403
        assert status(scope) in (200, 201, 204)
    else:
        assert status("other") in ((200, 201, 204) if cell == "yes" else (int(cell),))


def test_the_table_has_every_endpoint():
    listed = {re.sub("<[a-z]+>", "<>", row[0].split("`")[1]) for row in ENDPOINTS}
    without = {"login/", "session/", "refresh/", "logout/", "revoke/"}
    served = {
        re.sub("<[a-z:_]+>", "<>", str(pattern.pattern)) for pattern in (*urls.urlpatterns, *browser_urls.urlpatterns)
    }
    assert {route for route in served if not route.startswith(".well-known/")} == listed | without


# Plain views and the admin


@pytest.fixture
def site(scene, settings):
    """`site(middleware)` serves the admin and a plain view behind this middleware."""
    module: Any = ModuleType("urls_of_a_project_with_an_admin")
    module.urlpatterns = [
        path("plain/", plain),
        path("admin/", admin.site.urls),
        path("auth/", include("jwt_auth.urls")),
        path("auth/browser/", include("jwt_auth.browser_urls")),
    ]
    settings.ROOT_URLCONF = module
    usual = settings.MIDDLEWARE

    def serve(middleware):
        settings.MIDDLEWARE = [*usual, middleware]

    return serve


def pages_of(name, scene, make_user):
    """Return the URLs of a row of the table."""
    if name == "plain views":
        return ["/plain/"]
    user = scene["user"]
    if name == "the admin":
        meta = user._meta
        page = f"admin:{meta.app_label}_{meta.model_name}"
        return [reverse("admin:index"), reverse(f"{page}_changelist"), reverse(f"{page}_change", args=[user.pk])]
    return list(own_pages(scene, make_user))


def own_pages(scene, make_user):
    """Yield the URL of each page of this app in the admin, found where Django finds them."""
    revoke_user(make_user("bob"))
    rows = {
        "usersession": UserSession.objects.latest("pk").pk,
        "registeredclient": scene["client"].row.pk,
        "signingkey": SigningKey.objects.create(kid="k", algorithm="ES256", changed_at=NOW).pk,
        "revocationevent": RevocationEvent.objects.latest("pk").pk,
    }
    for name in get_resolver().namespace_dict["admin"][1].reverse_dict:
        if not isinstance(name, str) or not (name.startswith("jwt_auth_") or name.endswith("_revoke_tokens")):
            continue
        row = next((pk for model, pk in rows.items() if f"jwt_auth_{model}_" in name), scene["user"].pk)
        parameters = get_resolver().namespace_dict["admin"][1].reverse_dict[name][0][0][1]
        values = {"object_id": row, "key_id": scene["client"].key.pk}
        yield reverse(f"admin:{name}", kwargs={parameter: values[parameter] for parameter in parameters})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("middleware", "row"),
    [
        *(("jwt_auth.middleware.JWTUserMiddleware", row) for row in AS_USUAL),
        *((f"{__name__}.Accepting", row) for row in ACCEPTING),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_in_plain_views_and_in_the_admin(scene, site, make_user, middleware, row, kind):
    cell = row[1 + KINDS.index(kind)]
    site(middleware)
    pages, is_ours = pages_of(row[0], scene, make_user), row[0] == "the pages of this app in the admin"
    raw = scene["mint"][kind]("sessions clients revoke_user")
    usual = Client()
    usual.force_login(scene["user"])
    bearer = Client(headers={"authorization": f"Bearer {raw}"}, raise_request_exception=False)
    for page in pages:
        answer = bearer.get(page)
        if cell == "yes":
            assert answer.status_code == (usual.get(page).status_code if is_ours else 200), page
        else:
            assert answer.status_code == int(cell), page
    assert not is_ours or len(pages) > 25


@pytest.mark.parametrize("kind", ["scoped", "foreign", "unscoped", "exchanged"])
def test_a_limited_token_in_a_cookie_counts_as_none(scene, site, kind):
    site("jwt_auth.middleware.JWTUserMiddleware")
    browser = Browser()
    browser.cookies[Browser.access_name] = scene["mint"][kind]("sessions")
    assert browser.get("/plain/").content == b""
    assert browser.get(reverse("admin:index")).status_code == 302
    browser.cookies[Browser.access_name] = scene["mint"]["sign-in"]("")
    assert browser.get("/plain/").content.decode() == scene["user"].get_username()
    assert browser.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("kind", ["scoped", "foreign", "unscoped", "exchanged"])
def test_a_limited_token_revokes_nobody_by_the_action_on_users(scene, site, settings, kind):
    """The list of users is the project's page, and the action on it is this app's."""
    site(f"{__name__}.Accepting")
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "csrf" not in item.lower()]
    user = scene["user"]
    url = reverse(f"admin:{user._meta.app_label}_{user._meta.model_name}_changelist")
    body = {"action": "jwt_auth_revoke_tokens", "_selected_action": [user.pk], "confirmed": "yes"}
    raw = scene["mint"][kind]("revoke_user")
    Client(headers={"authorization": f"Bearer {raw}"}).post(url, body)
    assert not RevocationEvent.objects.exists()
    raw = scene["mint"]["sign-in"]("")
    Client(headers={"authorization": f"Bearer {raw}"}).post(url, body)
    assert RevocationEvent.objects.exists()


@pytest.mark.parametrize("kind", ["scoped", "foreign", "unscoped", "exchanged"])
@pytest.mark.parametrize("way", ["action", "button"])
def test_nor_where_the_project_decides_alone_who_may_revoke(scene, site, settings, monkeypatch, way, kind):
    """Its `has_revoke_tokens_permission` does not call that of the mixin."""
    site(f"{__name__}.Accepting")
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "csrf" not in item.lower()]
    user = scene["user"]
    page = f"admin:{user._meta.app_label}_{user._meta.model_name}"
    url = reverse(f"{page}_changelist") if way == "action" else reverse(f"{page}_revoke_tokens", args=[user.pk])
    choice = {"action": "jwt_auth_revoke_tokens", "_selected_action": [user.pk]} if way == "action" else {}
    users = admin.site.get_model_admin(type(user))
    monkeypatch.setattr(users, "has_revoke_tokens_permission", lambda request, obj=None: True)
    raw = scene["mint"][kind]("revoke_user")
    Client(headers={"authorization": f"Bearer {raw}"}).post(url, {**choice, "confirmed": "yes"})
    assert not RevocationEvent.objects.exists()
    raw = scene["mint"]["sign-in"]("")
    Client(headers={"authorization": f"Bearer {raw}"}).post(url, {**choice, "confirmed": "yes"})
    assert RevocationEvent.objects.exists()


@pytest.mark.parametrize("kind", ["scoped", "foreign", "unscoped", "exchanged"])
def test_a_limited_token_is_offered_no_revocation_of_users(scene, site, kind):
    site(f"{__name__}.Accepting")
    user = scene["user"]
    page = f"admin:{user._meta.app_label}_{user._meta.model_name}"
    offers = {
        reverse(f"{page}_changelist"): "jwt_auth_revoke_tokens",
        reverse(f"{page}_change", args=[user.pk]): reverse(f"{page}_revoke_tokens", args=[user.pk]),
    }
    limited, usual = (
        Client(headers={"authorization": f"Bearer {scene['mint'][each]('revoke_user')}"}) for each in (kind, "sign-in")
    )
    for url, offer in offers.items():
        assert offer not in text_of(limited.get(url))
        assert offer in text_of(usual.get(url))


@pytest.mark.parametrize("kind", ["scoped", "foreign", "unscoped", "exchanged"])
def test_a_limited_token_sees_none_of_this_app_even_if_a_project_shows_its_rows_to_all(scene, site, monkeypatch, kind):
    """The project's `has_view_permission` does not call that of this app; the index asks for the module as well."""
    site(f"{__name__}.Accepting")
    listed = reverse("admin:jwt_auth_usersession_changelist")
    monkeypatch.setattr(admin.site.get_model_admin(UserSession), "has_view_permission", lambda request, obj=None: True)
    limited, usual = (
        Client(headers={"authorization": f"Bearer {scene['mint'][each]('sessions')}"}) for each in (kind, "sign-in")
    )
    assert listed not in text_of(limited.get(reverse("admin:index")))
    assert listed in text_of(usual.get(reverse("admin:index")))
