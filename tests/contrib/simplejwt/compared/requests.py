"""The requests that are sent to both packages."""

from tests.contrib.simplejwt.compared import sides
from tests.contrib.simplejwt.compared.sides import Asked
from tests.support.clients import PASSWORD

GARBAGE = "not a token"
TYPES = {"json": "json", "form": "application/x-www-form-urlencoded", "multipart": "multipart"}


def _bodies(path: str, name: str) -> list[Asked]:
    """Malformed bodies, which are the same for each view that reads one token."""

    def asked(title: str, body: object, form: str = "json", **facts: object) -> Asked:
        return Asked(title=f"{path} {name} {title}", path=path, body=body, form=form, **facts)  # type: ignore[arg-type]  # of Asked

    return [
        asked("without a body", None),
        asked("with an empty object", {}),
        asked("with null", {name: None}),
        asked("with an empty string", {name: ""}),
        asked("with spaces", {name: "   "}),
        asked("with a number", {name: 12}),
        asked("with true", {name: True}),
        asked("with a list", {name: ["{refresh}"]}),
        asked("with an object", {name: {"a": 1}}),
        asked("with garbage", {name: GARBAGE}),
        asked("with three parts of garbage", {name: "a.b.c"}),
        asked("with a token that is too long", {name: "e" * 9000}),
        asked("with letters beyond ASCII", {name: "tökén.ключ.鍵"}),
        asked("with a NUL", {name: "a\0b"}),
        asked("with a list as the body", '["a"]', "application/json"),
        asked("with a broken body", '{"a": ', "application/json"),
        asked("with an unknown type", "token", "text/plain"),
        asked("with a body of 100,000 bytes", {name: "x", "more": "y" * 100_000}, differs=("long",)),
        asked("nested 20,000 times", "[" * 20_000, "application/json", differs=("nested",)),
        asked("as a form without the field", "a=b", TYPES["form"]),
        Asked(title=f"{path} {name} by GET", path=path, method="get"),
        Asked(title=f"{path} {name} by HEAD", path=path, method="head"),
        Asked(title=f"{path} {name} by PUT", path=path, method="put", body={}),
        Asked(title=f"{path} {name} by OPTIONS", path=path, method="options", differs=("description",)),
        Asked(title=f"{path} {name} as a page", path=path, body={}, headers={"HTTP_ACCEPT": "text/html"}),
        Asked(title=f"{path} {name} opened as a page", path=path, method="get", headers={"HTTP_ACCEPT": "text/html"}),
        Asked(title=f"{path} {name} for XML", path=path, body={}, headers={"HTTP_ACCEPT": "application/xml"}),
    ]


NEW_TOKENS = ("access token", "refresh token")

REFRESH = [
    *_bodies("token/refresh/", "refresh"),
    Asked(title="refresh", path="token/refresh/", body={"refresh": "{refresh}"}, differs=NEW_TOKENS),
    Asked(
        title="refresh with spaces around it",
        path="token/refresh/",
        body={"refresh": " {refresh} "},
        differs=NEW_TOKENS,
    ),
    Asked(
        title="refresh by a form",
        path="token/refresh/",
        body="refresh={refresh}",
        form=TYPES["form"],
        differs=NEW_TOKENS,
    ),
    Asked(
        title="refresh by multipart",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        form="multipart",
        differs=NEW_TOKENS,
    ),
    Asked(
        title="refresh, other fields",
        path="token/refresh/",
        body={"refresh": "{refresh}", "access": "x", "a": 1},
        differs=NEW_TOKENS,
    ),
    Asked(
        title="refresh with an expired access token in the header",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        headers={"HTTP_AUTHORIZATION": "Bearer {access}"},
        after=sides.seconds_later(400),
        differs=NEW_TOKENS,
    ),
    Asked(
        title="refresh with the new token",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        after=sides.refreshed,
        differs=NEW_TOKENS,
    ),
    Asked(
        title="refresh twice at once",
        path="token/refresh/",
        body={"refresh": "{used}"},
        after=sides.refreshed,
        differs=("grace",),
    ),
    Asked(
        title="refresh again later", path="token/refresh/", body={"refresh": "{used}"}, after=sides.refreshed_long_ago
    ),
    Asked(
        title="refresh with the new token after the former one was used twice",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        after=sides.used_twice,
        differs=("used twice",),
    ),
    Asked(
        title="refresh after signing out", path="token/refresh/", body={"refresh": "{refresh}"}, after=sides.signed_out
    ),
    Asked(title="refresh with an access token", path="token/refresh/", body={"refresh": "{access}"}),
    Asked(
        title="refresh with an expired access token",
        path="token/refresh/",
        body={"refresh": "{access}"},
        after=sides.seconds_later(400),
    ),
    Asked(
        title="refresh with an expired token",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        after=sides.seconds_later(90_000),
    ),
    Asked(
        title="refresh with a tampered token",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        after=sides.tampered,
    ),
    Asked(
        title="refresh of an inactive user", path="token/refresh/", body={"refresh": "{refresh}"}, after=sides.inactive
    ),
    Asked(
        title="refresh of a deleted user",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        after=sides.deleted,
        differs=("deleted",),
    ),
    Asked(
        title="refresh after another password",
        path="token/refresh/",
        body={"refresh": "{refresh}"},
        after=sides.with_another_password,
        differs=("password",),
    ),
]


def _sign_in(title: str, *, name: object = "{name}", password: object = PASSWORD, **facts: object) -> Asked:
    body = {"{name_field}": name, "password": password}
    return Asked(title=f"sign in, {title}", path="token/", body=body, **facts)  # type: ignore[arg-type]  # of Asked


SIGN_IN = [
    *_bodies("token/", "{name_field}"),
    # Spaces, and a long text, are compared below, with a name.
    *(each for each in _bodies("token/", "password")[:13] if "spaces" not in each.title and "long" not in each.title),
    _sign_in("JSON", differs=NEW_TOKENS),
    _sign_in("a form", form="multipart", differs=NEW_TOKENS),
    Asked(
        title="sign in, an urlencoded form",
        path="token/",
        body=f"{{name_field}}={{name}}&password={PASSWORD}",
        form=TYPES["form"],
        differs=NEW_TOKENS,
    ),
    _sign_in("with an invalid token in the header", headers={"HTTP_AUTHORIZATION": "Bearer x"}, differs=NEW_TOKENS),
    _sign_in("as a page", headers={"HTTP_ACCEPT": "text/html"}),
    _sign_in("spaces around the name", name=" {name} ", differs=NEW_TOKENS),
    _sign_in("another password", password="wrong"),
    _sign_in("an empty password", password=""),
    _sign_in("null as the password", password=None),
    _sign_in("a number as the password", password=12345),
    _sign_in("a list as the password", password=[PASSWORD]),
    _sign_in("a password beyond ASCII", password="пароль 密码"),
    _sign_in("a NUL in the password", password="a\0b"),
    _sign_in("spaces around the password", password=f" {PASSWORD} ", differs=("spaces",)),
    _sign_in("a password of 5,000 characters", password="x" * 5000, differs=("long password",)),
    _sign_in("another name", name="nobody"),
    _sign_in("an empty name", name=""),
    _sign_in("null as the name", name=None),
    _sign_in("a number as the name", name=12345),
    _sign_in("true as the name", name=True),
    _sign_in("an object as the name", name={"a": "{name}"}),
    _sign_in("a name beyond ASCII", name="Алиса"),
    _sign_in("a NUL in the name", name="{name}\0"),
    _sign_in("a line break in the name", name="al\nice"),
    _sign_in("a name of 5,000 characters", name="x" * 5000),
    _sign_in("an inactive user", after=sides.inactive),
    _sign_in("a deleted user", after=sides.deleted),
    _sign_in("after ten wrong passwords", after=sides.failed_ten_times, differs=("throttle",)),
]

VERIFY = [
    *_bodies("token/verify/", "token"),
    Asked(title="verify an access token", path="token/verify/", body={"token": "{access}"}),
    Asked(title="verify by a form", path="token/verify/", body="token={access}", form=TYPES["form"]),
    Asked(title="verify a refresh token", path="token/verify/", body={"token": "{refresh}"}),
    Asked(
        title="verify an expired access token",
        path="token/verify/",
        body={"token": "{access}"},
        after=sides.seconds_later(400),
    ),
    Asked(
        title="verify an expired refresh token",
        path="token/verify/",
        body={"token": "{refresh}"},
        after=sides.seconds_later(90_000),
    ),
    Asked(
        title="verify a tampered access token", path="token/verify/", body={"token": "{access}"}, after=sides.tampered
    ),
    Asked(
        title="verify a tampered refresh token", path="token/verify/", body={"token": "{refresh}"}, after=sides.tampered
    ),
    Asked(
        title="verify a used refresh token",
        path="token/verify/",
        body={"token": "{used}"},
        after=sides.refreshed_long_ago,
    ),
    Asked(
        title="verify a refresh token after signing out",
        path="token/verify/",
        body={"token": "{refresh}"},
        after=sides.signed_out,
    ),
    Asked(
        title="verify an access token after signing out",
        path="token/verify/",
        body={"token": "{access}"},
        after=sides.signed_out,
        differs=("verify",),
    ),
    Asked(
        title="verify an access token of an inactive user",
        path="token/verify/",
        body={"token": "{access}"},
        after=sides.inactive,
        differs=("verify",),
    ),
    Asked(
        title="verify a refresh token of an inactive user",
        path="token/verify/",
        body={"token": "{refresh}"},
        after=sides.inactive,
        differs=("verify",),
    ),
    Asked(
        title="verify an access token of a deleted user",
        path="token/verify/",
        body={"token": "{access}"},
        after=sides.deleted,
        differs=("verify",),
    ),
]

SIGN_OUT = [
    *_bodies("token/blacklist/", "refresh"),
    Asked(title="sign out", path="token/blacklist/", body={"refresh": "{refresh}"}),
    Asked(title="sign out by a form", path="token/blacklist/", body="refresh={refresh}", form=TYPES["form"]),
    Asked(title="sign out twice", path="token/blacklist/", body={"refresh": "{refresh}"}, after=sides.signed_out),
    Asked(
        title="sign out with a used token",
        path="token/blacklist/",
        body={"refresh": "{used}"},
        after=sides.refreshed_long_ago,
    ),
    Asked(title="sign out with an access token", path="token/blacklist/", body={"refresh": "{access}"}),
    Asked(
        title="sign out with an expired token",
        path="token/blacklist/",
        body={"refresh": "{refresh}"},
        after=sides.seconds_later(90_000),
    ),
    Asked(title="sign out tampered", path="token/blacklist/", body={"refresh": "{refresh}"}, after=sides.tampered),
    Asked(
        title="sign out an inactive user", path="token/blacklist/", body={"refresh": "{refresh}"}, after=sides.inactive
    ),
    Asked(
        title="sign out a deleted user",
        path="token/blacklist/",
        body={"refresh": "{refresh}"},
        after=sides.deleted,
    ),
]


def _protected(title: str, header: str, **facts: object) -> Asked:
    headers = {"HTTP_AUTHORIZATION": header}
    return Asked(title=f"a view, {title}", path="protected/", method="get", headers=headers, **facts)  # type: ignore[arg-type]  # of Asked


PROTECTED = [
    Asked(title="a view, without a header", path="protected/", method="get"),
    Asked(title="a view by POST without a header", path="protected/", body={}),
    Asked(title="a view by OPTIONS without a header", path="protected/", method="options"),
    Asked(
        title="a view by POST",
        path="protected/",
        body={},
        headers={"HTTP_AUTHORIZATION": "Bearer {access}"},
    ),
    Asked(
        title="a view as a page",
        path="protected/",
        method="get",
        headers={"HTTP_AUTHORIZATION": "Bearer {access}", "HTTP_ACCEPT": "text/html"},
    ),
    _protected("an access token", "Bearer {access}"),
    _protected("spaces between", "Bearer    {access}"),
    _protected("spaces around", "  Bearer {access}  "),
    _protected("a tab between", "Bearer\t{access}"),
    _protected("lower case", "bearer {access}"),
    _protected("upper case", "BEARER {access}"),
    _protected("another type", "Token {access}"),
    _protected("Basic", "Basic YWxpY2U6c2VjcmV0"),
    _protected("JWT, which is not configured", "JWT {access}"),
    _protected("the type alone", "Bearer"),
    _protected("the type and a space", "Bearer "),
    _protected("three parts", "Bearer {access} {access}"),
    _protected("an empty header", ""),
    _protected("a space", " "),
    _protected("the token alone", "{access}"),
    _protected("without a space", "Bearer{access}"),
    _protected("garbage", "Bearer garbage"),
    _protected("letters beyond ASCII", "Bearer tök\xe9n"),
    _protected("a letter beyond Latin-1", "Bearer клю", differs=("letters",)),
    _protected("too long", "Bearer " + "a" * 9000),
    _protected("a refresh token", "Bearer {refresh}"),
    _protected("tampered", "Bearer {access}", after=sides.tampered),
    _protected("expired", "Bearer {access}", after=sides.seconds_later(400)),
    _protected("expired 5 seconds ago", "Bearer {access}", after=sides.seconds_later(305), differs=("leeway",)),
    _protected("after a refresh", "Bearer {access}", after=sides.refreshed),
    _protected("after signing out", "Bearer {access}", after=sides.signed_out, differs=("signed out",)),
    _protected("of a deleted user", "Bearer {access}", after=sides.deleted),
    _protected("of an inactive user", "Bearer {access}", after=sides.inactive),
    _protected(
        "after another password", "Bearer {access}", after=sides.with_another_password, differs=("password at a view",)
    ),
]

# With AUTH_HEADER_TYPES = ("JWT", "Bearer").
OF_TWO_TYPES = [
    Asked(title="a view of two types, without a header", path="protected/", method="get"),
    _protected("the first of two types", "JWT {access}"),
    _protected("the second of two types", "Bearer {access}"),
    _protected("two types in lower case", "jwt {access}"),
    _protected("a refused token of the second of two types", "Bearer garbage"),
    _protected("an inactive user of two types", "JWT {access}", after=sides.inactive),
    Asked(title="refresh with garbage, two types", path="token/refresh/", body={"refresh": "x"}),
    _sign_in("another password, two types", password="wrong"),
]

REQUESTS = [*SIGN_IN, *REFRESH, *VERIFY, *SIGN_OUT, *PROTECTED]
