"""Endpoints of django-modern-rest."""

from django.urls import path
from dmr import Controller
from dmr.plugins.msgspec import MsgspecSerializer

from jwt_auth.authentication import claims_of
from jwt_auth.contrib.modern_rest import (
    AccessCookieAsyncAuth,
    AccessCookieSyncAuth,
    AccessTokenAsyncAuth,
    AccessTokenSyncAuth,
)
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.permissions import SignedInWithin


class Asynchronous(Controller[MsgspecSerializer]):
    auth = [AccessTokenAsyncAuth(), AccessCookieAsyncAuth()]


class Key(Asynchronous):
    async def get(self) -> dict[str, str]:
        return {"user": str(self.request.user.pk)}

    async def post(self) -> dict[str, str]:
        return {"user": str(self.request.user.pk)}


class Name(Asynchronous):
    async def get(self) -> dict[str, str | bool]:
        user = await self.request.auser()
        claims = claims_of(self.request)
        return {"user": user.get_username(), "same": self.request.user is user, "sid": claims.sid}


class Unawaited(Asynchronous):
    async def get(self) -> dict[str, str]:
        return {"user": self.request.user.get_username()}


class Recent(Asynchronous):
    async def get(self) -> dict[str, str]:
        SignedInWithin(minutes=4).check(claims_of(self.request))
        return {"user": str(self.request.user.pk)}


class InvoicesAuth(AccessTokenAsyncAuth):
    def accepts(self, request, claims):
        return "invoices.read" in claims.scopes


class Invoices(Controller[MsgspecSerializer]):
    auth = [InvoicesAuth()]

    async def get(self) -> dict[str, str]:
        return {"user": str(self.request.user.pk)}


class Broken(Asynchronous):
    async def get(self) -> dict[str, str]:
        return {"number": 1 / 0}


class Misconfigured(Asynchronous):
    async def get(self) -> dict[str, str]:
        raise ConfigurationError("E001", "Something is wrong.", "Correct it.")


class Synchronous(Controller[MsgspecSerializer]):
    auth = [AccessTokenSyncAuth(), AccessCookieSyncAuth()]

    def get(self) -> dict[str, str]:
        return {"user": self.request.user.get_username()}


urlpatterns = [
    path("akey/", Key.as_view()),
    path("aname/", Name.as_view()),
    path("unawaited/", Unawaited.as_view()),
    path("recent/", Recent.as_view()),
    path("invoices/", Invoices.as_view()),
    path("broken/", Broken.as_view()),
    path("misconfigured/", Misconfigured.as_view()),
    path("name/", Synchronous.as_view()),
]
