"""
An ASGI application whose views are asynchronous, and which tells what its process has done since it was last asked.
"""

import json
import os
import threading
import time
from collections import Counter
from contextlib import ExitStack

import django

django.setup()

from asgiref.sync import SyncToAsync  # noqa: E402  # only after the settings
from django.contrib.auth.models import AnonymousUser, User  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

from jwt_auth.revocation import revoke_user  # noqa: E402

in_threads = Counter()
queries = []
always = ExitStack()  # is never closed


call_in_thread = SyncToAsync.__call__


async def counted(self, *arguments, **options):
    function = getattr(self.func, "func", self.func)  # of a partial
    in_threads[f"{function.__module__}.{function.__qualname__}"] += 1
    return await call_in_thread(self, *arguments, **options)


SyncToAsync.__call__ = counted


def count(connection, **signal):
    def execute(call, sql, *arguments):
        queries.append(sql)
        return call(sql, *arguments)

    always.enter_context(connection.execute_wrapper(execute))


connection_created.connect(count)


async def anyone(request):
    return HttpResponse("welcome")


async def plain(request):
    """Answer the user of a token, without loading it."""
    user = getattr(request, "user", AnonymousUser())
    return HttpResponse(f"welcome, {user.pk}", status=200 if user.is_authenticated else 401)


async def done(request):
    """Tell what was done since the last call, and forget it."""
    names = [thread.name for thread in threading.enumerate()]
    # asgiref has a thread in each request's pool, and for a moment one that waits for the end of the pool.
    others = [name for name in names if not name.startswith("ThreadPoolExecutor") and not name.endswith("(join)")]
    told = {"other threads": others, "in threads": dict(in_threads), "queries": list(queries)}
    in_threads.clear()
    queries.clear()
    return JsonResponse(told)


def revoke(request):
    """Revoke the users whose keys are in the body; answer when each of them was."""
    revoked_at = {}
    for key in json.loads(request.body):
        revoke_user(User.objects.get(pk=key))
        revoked_at[key] = time.monotonic()  # the same clock in all processes
    return JsonResponse(revoked_at)


django_application = get_asgi_application()


async def application(scope, receive, send):
    """Name the process in each answer, also in those of the middleware."""

    async def send_named(message):
        if message["type"] == "http.response.start":
            message["headers"].append((b"x-worker", str(os.getpid()).encode()))
        await send(message)

    await django_application(scope, receive, send_named)


urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("anyone/", anyone),
    path("plain/", plain),
    path("done/", done),
    path("revoke/", revoke),
]
