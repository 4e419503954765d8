"""Plain views, asynchronous and synchronous, which know the user by JWTUserMiddleware."""

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from jwt_auth.permissions import SignedInWithin


def _only_users(view):
    async def answer(request):
        if not hasattr(request, "auth"):
            return JsonResponse({"code": "not_authenticated"}, status=401)
        return JsonResponse(await view(request))

    return csrf_exempt(answer)


@_only_users
async def akey(request):
    return {"user": str(request.user.pk)}


@_only_users
async def aname(request):
    user = await request.auser()
    return {"user": user.get_username(), "same": request.user is user, "sid": request.auth.sid}


@_only_users
async def unawaited(request):
    return {"user": request.user.get_username()}


@_only_users
async def recent(request):
    SignedInWithin(minutes=4).check(request.auth)
    return {"user": str(request.user.pk)}


@login_required(login_url="/enter/")
def name(request):
    return JsonResponse({"user": request.user.get_username()})


urlpatterns = [
    path("akey/", akey),
    path("aname/", aname),
    path("unawaited/", unawaited),
    path("recent/", recent),
    path("name/", name),
]
