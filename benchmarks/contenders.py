"""
The compared packages: for each, the authentication class, and a function that gets a user's credentials.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends import cached_db, db
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """
    One of the compared authentication methods.

    Args:
        name: the name in tables and URLs.
        authentication: the dotted path of the DRF authentication class; None for an open view.
        credentials: returns the headers of a request of a user.
    """

    name: str
    authentication: str | None
    credentials: Callable[[Any], Headers]

    @property
    def classes(self) -> list[Any]:
        """The `authentication_classes` of its view."""
        if self.authentication is None:
            return []
        module, _, name = self.authentication.rpartition(".")
        return [getattr(import_module(module), name)]


# The lower bound in Python: two dictionaries in handwritten code.

verified: dict[str, tuple[float, float, str]] = {}
cutoffs: dict[str, float] = {}


class BareLimit(BaseAuthentication):
    """
    Check only the time and the cutoff of a token that was verified before.

    The user is an instance with only its primary key, which is the least that views need to filter by.
    """

    def authenticate(self, request: Any) -> Any:
        header = request._request.META.get("HTTP_AUTHORIZATION", "")
        if not header.startswith("Bearer "):
            return None
        claims = verified.get(header[7:])
        if claims is None or claims[0] <= time.time() or claims[1] < cutoffs.get(claims[2], 0.0):
            raise AuthenticationFailed
        return get_user_model()(pk=int(claims[2])), claims


class SessionPerPathMiddleware(SessionMiddleware):
    """Choose the session store by path, so that one process has both kinds."""

    def process_request(self, request: HttpRequest) -> None:
        self.SessionStore = cached_db.SessionStore if "cached_db" in request.path else db.SessionStore
        super().process_request(request)


class Session(SessionAuthentication):
    """Django's session. These GET requests need no CSRF check."""


def _nothing(user: Any) -> Headers:
    return {}


def _bare(user: Any) -> Headers:
    raw = _jwt_auth(user)["HTTP_AUTHORIZATION"][7:]
    verified[raw] = (time.time() + 86400, time.time(), str(user.pk))
    return {"HTTP_AUTHORIZATION": f"Bearer {raw}"}


def _jwt_auth(user: Any) -> Headers:
    from jwt_auth import sessions

    return {"HTTP_AUTHORIZATION": f"Bearer {sessions.start(user).access_token}"}


def _simplejwt(user: Any) -> Headers:
    from rest_framework_simplejwt.tokens import AccessToken

    return {"HTTP_AUTHORIZATION": f"Bearer {AccessToken.for_user(user)}"}


def _knox(user: Any) -> Headers:
    from knox.models import AuthToken

    return {"HTTP_AUTHORIZATION": f"Token {AuthToken.objects.create(user)[1]}"}


def _drf_token(user: Any) -> Headers:
    from rest_framework.authtoken.models import Token

    return {"HTTP_AUTHORIZATION": f"Token {Token.objects.get_or_create(user=user)[0].key}"}


def _session_in(engine: Any) -> Callable[[Any], Headers]:
    def start(user: Any) -> Headers:
        store = engine.SessionStore()
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        store.create()
        store.save()
        return {"HTTP_COOKIE": f"sessionid={store.session_key}"}

    return start


OPEN = Contender(name="open", authentication=None, credentials=_nothing)

CONTENDERS = [
    OPEN,
    Contender(name="bare_limit", authentication="benchmarks.contenders.BareLimit", credentials=_bare),
    Contender(name="jwt_auth_memory", authentication="benchmarks.ours.Memory", credentials=_jwt_auth),
    Contender(name="jwt_auth_database", authentication="benchmarks.ours.Database", credentials=_jwt_auth),
    Contender(name="jwt_auth_unprepared", authentication="benchmarks.ours.Unprepared", credentials=_jwt_auth),
    Contender(
        name="simplejwt",
        authentication="rest_framework_simplejwt.authentication.JWTAuthentication",
        credentials=_simplejwt,
    ),
    Contender(
        name="simplejwt_stateless",
        authentication="rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
        credentials=_simplejwt,
    ),
    Contender(name="knox", authentication="knox.auth.TokenAuthentication", credentials=_knox),
    Contender(
        name="drf_token", authentication="rest_framework.authentication.TokenAuthentication", credentials=_drf_token
    ),
    Contender(name="sessions_db", authentication="benchmarks.contenders.Session", credentials=_session_in(db)),
    Contender(
        name="sessions_cached_db", authentication="benchmarks.contenders.Session", credentials=_session_in(cached_db)
    ),
]
