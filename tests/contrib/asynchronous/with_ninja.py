"""Operations of django-ninja."""

from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from ninja.throttling import UserRateThrottle

from jwt_auth.contrib.ninja import AccessCookieAuth, AccessTokenAuth, handle_errors
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.permissions import SignedInWithin


class InvoicesAuth(AccessTokenAuth):
    def accepts(self, request, claims):
        return "invoices.read" in claims.scopes


api = NinjaAPI(auth=[AccessTokenAuth(), AccessCookieAuth()], urls_namespace="answered")
handle_errors(api)
bare = NinjaAPI(auth=[AccessTokenAuth(), AccessCookieAuth()], urls_namespace="bare")


@bare.get("/akey/", operation_id="bare_akey")
@bare.post("/akey/", operation_id="bare_akey_post")
@api.get("/akey/")
@api.post("/akey/", operation_id="akey_post")
async def akey(request):
    return {"user": str(request.user.pk)}


@api.get("/aname/")
async def aname(request):
    user = await request.auser()
    return {"user": user.get_username(), "same": request.user is user, "sid": request.auth.sid}


@api.get("/unawaited/")
async def unawaited(request):
    return {"user": request.user.get_username()}


@api.get("/recent/")
async def recent(request):
    SignedInWithin(minutes=4).check(request.auth)
    return {"user": str(request.user.pk)}


@api.get("/invoices/", auth=InvoicesAuth())
async def invoices(request):
    return {"user": str(request.user.pk)}


@api.get("/throttled/", throttle=UserRateThrottle("1/min"))
async def throttled(request):
    return {}


@api.get("/name/")
def name(request):
    return {"user": request.user.get_username()}


@api.post("/mixed/")
async def mixed(request):
    return {"user": str(request.user.pk)}


@api.get("/mixed/")
def mixed_in_a_thread(request):
    return {"user": str(request.user.pk)}


@api.get("/broken/")
async def broken(request):
    return 1 / 0


@api.get("/misconfigured/")
async def misconfigured(request):
    raise ConfigurationError("E001", "Something is wrong.", "Correct it.")


@api.get("/unauthenticated/")
async def unauthenticated(request):
    raise AuthenticationError
