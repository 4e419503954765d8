"""Which handshakes of WebSockets are let in, by which credential, and what the application sees."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import AnonymousUser

from jwt_auth import service_tokens, sessions
from jwt_auth.authentication import handshake_tickets
from jwt_auth.contrib.channels import JWTWebSocketMiddleware, credentials
from jwt_auth.jose import tokens as jose
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import UsedToken
from jwt_auth.revocation import revoke_session, revoke_user
from jwt_auth.verification import identify_only
from tests.support.keys import pem, public_pem
from tests.support.outages import outage
from tests.support.websockets import HOST, ORIGIN, ServedSocket, scope_of

COOKIE = "__Host-Http-access"

pytestmark = pytest.mark.usefixtures("mode")


def bearer(raw):
    return [("authorization", f"Bearer {raw}")]


def cookie(raw, *headers):
    return [("cookie", f"{COOKIE}={raw}"), *headers]


def ticket_of(tokens, now=None):
    claims = identify_only(tokens.access_token)
    return handshake_tickets.issue(tokens.access_token, claims.expires_at, now).sealed()


def protocols(kind, secret):
    return ["jwt_auth", f"jwt_auth.{kind}.{secret}"]


@pytest.fixture
def ways(tokens):
    """Each credential, as headers and subprotocols."""
    raw = tokens.access_token
    return {
        "header": (bearer(raw), []),
        "subprotocol": ([], protocols("bearer", raw)),
        "ticket": ([], protocols("ticket", ticket_of(tokens))),
        "cookie": (cookie(raw, ("origin", ORIGIN)), []),
    }


WAYS = ["header", "subprotocol", "ticket", "cookie"]


@pytest.mark.parametrize("way", WAYS)
def test_each_credential_opens_a_socket_and_none_is_seen(run, served, echo, user, tokens, ways, way):
    async def scenario():
        socket = served(*ways[way])
        assert (await socket.accepted()).get("subprotocol") == ("jwt_auth" if ways[way][1] else None)
        assert await socket.asked("hello") == "echo: 'hello'"
        socket.leave()
        await socket.returned()

    run(scenario)
    scope = echo.scope
    assert scope["user"] == user
    assert scope["user"].get_username() == user.get_username()  # loaded: this is no query
    assert scope["session_id"] == tokens.session_id
    assert scope["claims"].sub == scope["watch"].verified.claims.sub
    assert "session" not in scope
    assert "jwt_auth." not in repr(scope["headers"]) + repr(scope["subprotocols"])
    assert echo.disconnected == [(1001, "")]


def test_reading_the_user_makes_no_query(run, served, echo, ways, django_assert_num_queries):
    async def scenario():
        socket = served(*ways["header"])
        await socket.accepted()
        socket.leave()
        await socket.returned()

    run(scenario)
    with django_assert_num_queries(0):
        assert echo.scope["user"].get_username()
        assert echo.scope["user"].is_staff is False


@pytest.mark.parametrize("denial", [True, False])
@pytest.mark.parametrize("required", [True, False])
def test_without_a_credential(run, served, echo, denial, required):
    async def scenario():
        socket = served([], ["jwt_auth", "chat"], denial=denial, options={"required": required})
        if not required:
            assert (await socket.accepted())["subprotocol"] == "jwt_auth"
            socket.leave()
            return await socket.returned()
        if not denial:
            return await socket.closed()
        return await socket.refused()

    answer = run(scenario)
    if not required:
        scope = echo.scope
        assert scope["user"] == AnonymousUser()
        assert (scope["claims"], scope["session_id"], scope["watch"]) == (None, None, None)
    elif not denial:
        assert answer == (4401, "not_authenticated")
    else:
        status, body, headers = answer
        assert (status, body["code"]) == (401, "not_authenticated")
        assert headers["www-authenticate"] == 'Bearer realm="api"'
        assert headers["cache-control"] == "no-store"
    assert bool(echo.scopes) is not required


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    ("headers", "offered"),
    [
        (bearer("x"), []),
        (bearer(""), []),
        ([], protocols("bearer", "x")),
        ([], protocols("ticket", "x")),
        ([], protocols("ticket", "x" * 7501)),
        ([], protocols("ticket", "~")),
        ([], protocols("other", "x")),
        ([], ["jwt_auth", "jwt_auth."]),
    ],
)
def test_a_bad_explicit_credential_is_refused(run, served, echo, headers, offered, required):
    status, body, answered = run(lambda: served(headers, offered, options={"required": required}).refused())
    assert (status, body["code"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answered["www-authenticate"]
    assert echo.scopes == []


@pytest.mark.parametrize("bad", ["x", "two"])
def test_a_bad_cookie_leaves_an_open_socket_anonymous(run, served, echo, bad):
    headers = [("cookie", f"{COOKIE}=x; {COOKIE}=y" if bad == "two" else f"{COOKIE}=x"), ("origin", ORIGIN)]

    async def scenario():
        socket = served(headers, options={"required": False})
        await socket.accepted()
        socket.leave()
        await socket.returned()
        return await served(headers).refused()

    status, body, _ = run(scenario)
    assert (status, body["code"]) == (401, "invalid_token")
    assert echo.scope["user"] == AnonymousUser()


def test_several_credentials_are_refused(run, served, tokens):
    raw = tokens.access_token
    two = [*protocols("bearer", raw), f"jwt_auth.bearer.{raw}"]
    both = [*protocols("bearer", raw), f"jwt_auth.ticket.{ticket_of(tokens)}"]

    async def scenario():
        return [
            await served([], two).refused(),
            await served([], both).refused(),
            await served(bearer(raw), protocols("bearer", raw)).refused(),
            await served([*bearer(raw), *bearer(raw)]).refused(),
        ]

    assert [(status, body["code"]) for status, body, _ in run(scenario)] == [(401, "invalid_token")] * 4


def test_a_cookie_beside_an_explicit_credential_does_not_count(run, served, echo, tokens, make_user):
    bob = make_user("bob")
    other = sessions.start(bob, transport="cookie").access_token

    async def scenario():
        for headers, offered in ((bearer(tokens.access_token), []), ([], protocols("bearer", tokens.access_token))):
            socket = served([*headers, *cookie(other, ("origin", "https://evil.example"))], offered)
            await socket.accepted()
            socket.leave()
            await socket.returned()
        return await served([*bearer("x"), *cookie(other, ("origin", ORIGIN))]).refused()

    assert run(scenario)[0] == 401
    assert [scope["user"].pk for scope in echo.scopes] != [bob.pk] * 2


# Cross-site WebSocket hijacking

FOREIGN = [
    None,
    "null",
    "http://evil.example",
    "https://testserver",  # another scheme
    "http://testserver:8080",
    "http://sub.testserver",
    "http://testserver.evil.example",
    "http://testserver, http://evil.example",
    "testserver",
    "",
]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_site_can_not_use_the_cookie(run, served, echo, tokens, origin, required):
    headers = cookie(tokens.access_token, *([] if origin is None else [("origin", origin)]))
    # A header that a page can't set, but that says less than `Origin`.
    headers.append(("sec-fetch-site", "same-origin"))

    status, body, _ = run(lambda: served(headers, options={"required": required}).refused())
    assert (status, body["code"]) == (403, "csrf_failed")
    assert echo.scopes == []


@pytest.mark.parametrize("csrf_mode", ["fetch_metadata", "log_only", "django"])
def test_the_origin_counts_in_each_csrf_mode(run, served, tokens, jwt_settings, csrf_mode):
    jwt_settings(CSRF_MODE=csrf_mode)
    headers = cookie(tokens.access_token, ("origin", "http://evil.example"))
    assert run(lambda: served(headers).refused())[0] == 403


@pytest.mark.parametrize("trusted", [["https://app.example"], ["https://*.example"]])
def test_trusted_origins_may_use_the_cookie(run, served, tokens, settings, trusted):
    settings.CSRF_TRUSTED_ORIGINS = trusted
    headers = cookie(tokens.access_token, ("origin", "https://app.example"))
    run(lambda: served(headers).accepted())


def test_behind_a_proxy_the_origin_is_what_the_settings_say(run, served, tokens, settings):
    headers = cookie(
        tokens.access_token,
        ("origin", "https://shop.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    )
    assert run(lambda: served(headers).refused())[0] == 403
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert run(lambda: served(headers).refused())[0] == 403
    settings.USE_X_FORWARDED_HOST = True
    run(lambda: served(headers).accepted())


def test_wss_is_https(run, served, tokens):
    headers = cookie(tokens.access_token, ("origin", f"https://{HOST}"))
    run(lambda: served(headers, scheme="wss").accepted())
    assert run(lambda: served(cookie(tokens.access_token, ("origin", ORIGIN)), scheme="wss").refused())[0] == 403


def test_allowed_hosts_apply(run, served, tokens, settings):
    settings.ALLOWED_HOSTS = ["other.example"]
    headers = cookie(tokens.access_token, ("origin", ORIGIN))
    status, body, _ = run(lambda: served(headers).refused())
    assert (status, body["code"]) == (403, "csrf_failed")


def test_without_access_cookies_none_counts(run, served, tokens, jwt_settings):
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    status, body, _ = run(lambda: served(cookie(tokens.access_token, ("origin", ORIGIN))).refused())
    assert (status, body["code"]) == (401, "not_authenticated")


# Tickets


def test_a_ticket_works_once(run, served, tokens):
    offered = protocols("ticket", ticket_of(tokens))

    async def scenario():
        await served([], offered).accepted()
        return await served([], offered).refused()

    status, body, _ = run(scenario)
    assert (status, body["code"]) == (401, "token_replayed")


def test_an_expired_ticket_is_refused(run, served, user, clock):
    fresh = sessions.start(user, transport="bearer")
    offered = protocols("ticket", ticket_of(fresh))
    clock.shift(30)
    status, body, _ = run(lambda: served([], offered).refused())
    assert (status, body["code"]) == (401, "token_expired")


def test_a_ticket_of_a_revoked_session_is_refused_and_not_used_up(run, served, tokens, user):
    offered = protocols("ticket", ticket_of(tokens))
    revoke_session(tokens.session_id)
    status, body, _ = run(lambda: served([], offered).refused())
    assert (status, body["code"]) == (401, "token_revoked")
    assert not UsedToken.objects.exists()


def test_a_ticket_is_no_token_and_a_token_no_ticket(run, served, client, tokens):
    ticket = ticket_of(tokens)

    async def scenario():
        return [
            await served(bearer(ticket)).refused(),
            await served([], protocols("bearer", ticket)).refused(),
            await served([], protocols("ticket", tokens.access_token)).refused(),
            await served(bearer(tokens.refresh_token)).refused(),
            await served(cookie(ticket, ("origin", ORIGIN))).refused(),
        ]

    assert [status for status, _, _ in run(scenario)] == [401] * 5
    assert client.get_me(ticket).status_code == 401
    assert client.refresh(ticket).status_code == 401
    assert client.send("verify/", {"token": ticket}).status_code == 401


# Other refusals


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_a_new_handshake_in_an_outage_gets_503(run, served, tokens, jwt_settings, on_stale):
    jwt_settings(REVOCATION_ON_STALE=on_stale)

    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()  # the control, after which the revocations are known
        socket.leave()
        await socket.returned()

    run(scenario)
    with outage():
        assert run(lambda: served(bearer(tokens.access_token)).refused())[0] == 503


def test_revoked_expired_and_unavailable(run, served, user, tokens, clock):
    fresh = sessions.start(user, transport="bearer")
    with outage():
        status, body, headers = run(lambda: served(bearer(fresh.access_token)).refused())
    assert (status, headers["retry-after"]) == (503, "1")
    assert body["code"] in ("unavailable", "revocation_unavailable")
    assert "www-authenticate" not in headers
    clock.shift(timedelta(hours=1).total_seconds())
    status, body, _ = run(lambda: served(bearer(fresh.access_token)).refused())
    assert (status, body["code"]) == (401, "token_expired")
    newer = sessions.start(user, transport="bearer")
    revoke_user(user)
    status, body, _ = run(lambda: served(bearer(newer.access_token)).refused())
    assert (status, body["code"]) == (401, "token_revoked")


def test_a_token_in_the_url_is_ignored_and_warned_about_once(run, served, tokens, log):
    credentials.warn_of_token_in_url.cache_clear()
    raw = tokens.access_token
    for name in ("token", "Access_Token", "jwt"):
        query = f"x=1&{name}={raw}".encode()
        status, body, _ = run(lambda query=query: served(query_string=query).refused())
        assert (status, body["code"]) == (401, "not_authenticated")
    [warned] = [record for record in log() if record.event == "token_in_url"]
    assert raw not in warned.getMessage()
    assert warned.levelname == "WARNING"
    run(lambda: served(bearer(raw), query_string=b"room=token&tokens=x").accepted())


@pytest.mark.parametrize("is_debug", [True, False])
def test_the_console_of_a_developer_says_which_cookie_is_missing(run, served, settings, log, is_debug):
    settings.DEBUG = is_debug
    run(lambda: served([("origin", ORIGIN)]).refused())
    assert any("has neither the cookie" in record.getMessage() for record in log()) == is_debug


def test_nothing_of_a_client_makes_a_line_in_the_log(run, served, log):
    run(lambda: served(bearer("a\u00e9"), path="/ws/\n2026 root signed in").refused())
    run(lambda: served([], ["jwt_auth.bearer.\nfake", "jwt_auth"]).refused())
    run(lambda: served(cookie("x", ("origin", "http://a\r\nfake"))).refused())
    assert len(log()) >= 3
    for record in log():
        assert "\n" not in record.getMessage() + str(record.path)


def test_a_query_string_may_have_any_bytes(run, served, echo, tokens):
    query = b"room=\xff&token=\xfe"
    assert run(lambda: served(query_string=query).refused())[0] == 401
    run(lambda: served(bearer(tokens.access_token), query_string=query).accepted())
    assert echo.scope["query_string"] == query


def test_many_subprotocols_and_long_ones(run, served, echo, tokens):
    offered = [f"p{i}" for i in range(5000)] + protocols("bearer", tokens.access_token)

    async def scenario():
        socket = served([], offered)
        await socket.accepted()
        socket.leave()
        await socket.returned()
        return await served([], protocols("bearer", "x" * 100_000)).refused()

    assert run(scenario)[0] == 401
    assert echo.scope["subprotocols"] == offered[:5001]


def test_the_header_is_stripped_in_any_spelling(run, echo, tokens):
    scope = {
        "headers": [
            (b"Sec-WebSocket-Protocol", b"JWT_AUTH.bearer.secret ,chat"),
            (b"sec-websocket-protocol", b"jwt_auth.ticket.secret"),
            (b"host", b"x"),
        ],
        "subprotocols": ["chat", "Jwt_Auth.bearer.secret"],
    }
    clean, secrets = credentials.without_secrets(scope)
    assert clean["headers"] == [(b"Sec-WebSocket-Protocol", b"chat"), (b"host", b"x")]
    assert clean["subprotocols"] == ["chat"]
    assert secrets == ["Jwt_Auth.bearer.secret"]
    assert credentials.without_secrets({"type": "websocket"})[0]["subprotocols"] == []


def test_the_application_may_choose_another_subprotocol(run, tokens):
    async def chooser(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        await receive()

    async def scenario():
        offered = [*protocols("bearer", tokens.access_token), "chat"]
        socket = ServedSocket(JWTWebSocketMiddleware(chooser), scope_of((), offered))
        message = await socket.accepted()
        socket.leave()
        await socket.returned()
        return message["subprotocol"]

    assert run(scenario) == "chat"


def test_other_scopes_pass_unchanged(run):
    seen = []

    async def inner(*arguments):
        seen.append(arguments)

    arguments = ({"type": "http"}, object(), object())

    async def scenario():
        await JWTWebSocketMiddleware(inner)(*arguments)

    run(scenario)
    assert [all(a is b for a, b in zip(one, arguments, strict=True)) for one in seen] == [True]


# Tokens with limits, and single-use ones


def scoped(tokens, scope):
    claims = {**identify_only(tokens.access_token).as_dict(), "scope": scope}
    return jose.encode(claims, own_keys().signing, "at+jwt")


@pytest.mark.parametrize(
    ("needed", "scope", "is_accepted"),
    [
        ((), "chat", False),
        ((), "", False),
        (["chat"], "chat read", True),
        ("chat", "chat", True),
        (["chat", "read"], "chat", False),
        (["chat"], "", False),
    ],
)
def test_a_token_with_limits_needs_the_scopes_of_the_socket(run, served, echo, tokens, needed, scope, is_accepted):
    async def scenario():
        socket = served(bearer(scoped(tokens, scope)), options={"scopes": needed})
        if not is_accepted:
            return await socket.refused()
        return await socket.accepted()

    answer = run(scenario)
    if is_accepted:
        assert echo.scope["session_id"] is None
        run(lambda: served(bearer(tokens.access_token), options={"scopes": needed}).accepted())
    else:
        status, body, headers = answer
        assert (status, body["code"]) == (403, "insufficient_scope")
        assert 'error="insufficient_scope"' in headers["www-authenticate"]


def test_a_socket_that_is_renewed_with_narrower_limits_is_closed(run, served, tokens, log):
    async def scenario():
        socket = served(bearer(scoped(tokens, "chat")), options={"scopes": ["chat"]})
        await socket.accepted()
        socket.send({"type": "jwt_auth.renew", "token": scoped(tokens, "read")})
        return await socket.closed()

    assert run(scenario) == (4401, "insufficient_scope")


def test_a_single_use_token_opens_one_socket(run, served, user, jwt_settings):
    here, there, key = "https://here.example.com", "https://there.example.com", ec.generate_private_key(ec.SECP256R1())
    jwt_settings(ISSUER=there, ALGORITHM="ES256", SIGNING_KEY=pem(key), SERVICE_AUDIENCES={here: {"USERS": ["chat"]}})
    raw = service_tokens.issue(user, here, "chat", one_time=True).access_token
    trusted = {"KEYS": public_pem(key), "ALGORITHMS": ["ES256"], "PRINCIPAL": "user", "USER_FIELD": "id"}
    jwt_settings(
        ISSUER=here, ALGORITHM="HS256", SIGNING_KEY=None, SERVICE_AUDIENCES={}, TRUSTED_ISSUERS={there: trusted}
    )

    async def scenario():
        await served(bearer(raw), options={"scopes": ["chat"]}).accepted()
        return await served(bearer(raw), options={"scopes": ["chat"]}).refused()

    status, body, _ = run(scenario)
    assert (status, body["code"]) == (401, "token_replayed")
