"""simplejwt and its stand-in, as a test asks both, and what is done before a request is sent."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import RefreshToken

from jwt_auth import sessions
from tests.contrib.simplejwt.compared.differences import DOCSTRING, KEY, NAME, REFRESH, Answer

_REFRESH_TOKEN = re.compile(r"[0-9a-f]{32}\.\d+\.[\w-]{43}")

Tokens = dict[str, str]


@dataclass
class Side:
    """One of the two packages, with a user whose tokens it has issued, and the stopped clock."""

    prefix: str
    user: Any
    clock: Any
    tokens: Tokens = field(default_factory=dict)

    def sign_in(self) -> None:
        if self.prefix == "before":
            refresh = RefreshToken.for_user(self.user)
            self.tokens = {"access": str(refresh.access_token), "refresh": str(refresh)}
        else:
            pair = sessions.start(self.user, amr=["pwd"])
            self.tokens = {"access": pair.access_token, "refresh": pair.refresh_token}

    def post(self, path: str, **body: str) -> Any:
        return self.client().post(f"/{self.prefix}/{path}", body, format="json")

    def client(self) -> APIClient:
        client = APIClient()
        client.raise_request_exception = False  # a crash is a 500, as for a real client
        return client


# What is done before a request


def nothing(side: Side) -> None:
    pass


def refreshed(side: Side) -> None:
    """`used` is the refresh token that was exchanged; the others are the new ones."""
    answer = side.post("token/refresh/", refresh=side.tokens["refresh"]).json()
    side.tokens = {"used": side.tokens["refresh"], **answer}


def refreshed_long_ago(side: Side) -> None:
    refreshed(side)
    side.clock.shift(200)


def used_twice(side: Side) -> None:
    refreshed_long_ago(side)
    assert side.post("token/refresh/", refresh=side.tokens["used"]).status_code == 401


def signed_out(side: Side) -> None:
    assert side.post("token/blacklist/", refresh=side.tokens["refresh"]).status_code == 200


def deleted(side: Side) -> None:
    side.user.delete()


def inactive(side: Side) -> None:
    get_user_model()._default_manager.filter(pk=side.user.pk).update(is_active=False)


def with_another_password(side: Side) -> None:
    side.user.set_password("another password of alice")
    side.user.save()


def seconds_later(seconds: float) -> Callable[[Side], None]:
    return lambda side: side.clock.shift(seconds)


def failed_ten_times(side: Side) -> None:
    for _ in range(10):
        body = {side.user.USERNAME_FIELD: side.user.get_username(), "password": "wrong"}
        assert side.post("token/", **body).status_code == 401


def tampered(side: Side) -> None:
    """Another letter in the middle of each signature; the last one has bits that mean nothing."""
    for name, raw in side.tokens.items():
        side.tokens[name] = raw[:-20] + ("A" if raw[-20] != "A" else "B") + raw[-19:]


# Requests and answers


@dataclass(frozen=True, kw_only=True)
class Asked:
    """
    A request, with the ids of the differences that its answers have.

    `{access}`, `{refresh}`, `{used}` and `{name}` in body and headers stand for the values of the side.
    """

    title: str
    path: str
    body: Any = None
    method: str = "post"
    form: str = "json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[Side], None] = nothing
    differs: tuple[str, ...] = ()


def ask(side: Side, asked: Asked) -> Answer:
    """Send a request to one side, and return its answer."""
    side.sign_in()
    asked.after(side)
    values = {**side.tokens, "name": side.user.get_username(), "name_field": side.user.USERNAME_FIELD}
    body = _filled(asked.body, values)
    kind = {"content_type": asked.form} if "/" in asked.form else {"format": asked.form}
    send = getattr(side.client(), asked.method)
    path = f"/{side.prefix}/{asked.path}"
    given = _filled(dict(asked.headers), values)
    answer = send(path, **given) if asked.method in {"get", "head"} else send(path, body, **kind, **given)
    return _seen(answer, {str(side.user.pk): KEY, values["name"]: NAME, _docstring_of(side, answer): DOCSTRING})


def _docstring_of(side: Side, answer: Any) -> str:
    """Return the description of the view of this app that has answered."""
    view = answer.renderer_context["view"] if hasattr(answer, "renderer_context") and side.prefix == "now" else None
    return view.get_view_description() if view else "no view of this app"


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_filled(name, values): _filled(item, values) for name, item in value.items()}
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"{{{name}}}", text)
    return value


def _seen(response: Any, kinds: Mapping[str, str]) -> Answer:
    headers = {name: value for name, value in response.items() if name != "Content-Length"}
    is_page = "html" in headers.get("Content-Type", "")
    body = response.content.decode() if is_page or not response.content else response.json()
    return Answer(response.status_code, headers, "<page>" if is_page and body else _by_kind(body, kinds))


def _by_kind(value: Any, kinds: Mapping[str, str]) -> Any:
    """Replace tokens, and the texts in `kinds`, by what they are."""
    if isinstance(value, dict):
        return {name: _by_kind(item, kinds) for name, item in value.items()}
    if isinstance(value, list):
        return [_by_kind(item, kinds) for item in value]
    if not isinstance(value, str):
        return value
    if _REFRESH_TOKEN.fullmatch(value):
        return REFRESH
    if value.startswith("eyJ"):
        claims = jwt.decode(value, options={"verify_signature": False})
        return f"{claims['token_type']} token with {', '.join(sorted(claims))}"
    return kinds.get(value, value)
