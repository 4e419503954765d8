"""
A tour through the app with another user model: everything that an ordinary user can do is done once, in both modes.

The models are the source of the module `people.models`. It has a function `make(name)`, which returns a user with the
password "pw". It may have `end(user)`, which deactivates or hides the user, and `typed(user)`, which returns the login
name if that is not `name`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import override_settings

from tests.support.other_project import in_another_project

_URLS = """
    from django.urls import include, path
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Shown(APIView):
        def get(self, request):
            return Response([request.user.__class__.__name__, str(getattr(request.user, "shown_as", ""))])

    urlpatterns = [path("auth/", include("jwt_auth.urls")), path("shown/", Shown.as_view())]
"""

_SETTINGS = """
    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.UserOrClientJWTAuthentication"]}
    SILENCED_SYSTEM_CHECKS = ["auth.W004"]
"""

_TOUR = """
    from contextlib import redirect_stdout
    from io import StringIO
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test.utils import CaptureQueriesContext, override_settings
    from people import models
    from jwt_auth import clients, sessions
    from jwt_auth.client import Signer
    from jwt_auth.conf import get_settings

    def seen(user):
        return [user.__class__.__name__, str(getattr(user, "shown_as", ""))]

    heard = []

    def hear(session, **kwargs):
        heard.append(seen(session.user))

    def claims(user, session):
        heard.append(seen(user))
        return {}

    from jwt_auth import signals
    for name in ("session_started", "new_device_seen", "token_refreshed", "refresh_token_reused"):
        getattr(signals, name).connect(hear)

    def ran(*arguments):
        out = StringIO()
        with redirect_stdout(out):
            call_command(*arguments, stdout=out)
        return out.getvalue()

    def tour(name):
        user = models.make(name)
        field, key = get_user_model().USERNAME_FIELD, str(getattr(user, get_user_model()._meta.pk.attname))
        body = {field: getattr(models, "typed", lambda user: name)(user), "password": "pw"}

        def sign_in():
            return client().post("/auth/login/", body, format="json")

        pair = sign_in().json()
        bearer = client(pair["access_token"])
        shown = bearer.get("/shown/").json()
        with CaptureQueriesContext(connection) as queries:
            bearer.get("/shown/")
        told = {"shown": shown, "queries": len(queries), "me": bearer.get("/auth/me/").json()["user"]["id"] == key}
        told["staff"] = [
            bearer.post("/auth/revoke/user/", {"user": key}, format="json").status_code,
            bearer.post("/auth/revoke/global/", {"sub_id": {"format": "opaque", "id": key}}, format="json").status_code,
            bearer.post("/auth/introspect/", {"token": "x"}, format="json").status_code,
            bearer.get("/auth/clients/").status_code,
        ]
        told["lists"] = [bearer.get(f"/auth/{path}/").json()["count"] for path in ("sessions", "me/clients")]
        pair = client().post("/auth/refresh/", {"refresh_token": pair["refresh_token"]}, format="json").json()
        bearer = client(pair["access_token"])
        registered = clients.register("program", user, "read")
        new = clients.add_secret(registered)
        signer = Signer(
            client_id=registered.client_id, key=new.secret, kid=new.key.kid, audience=get_settings().ISSUER
        )

        def same():
            return [answer.json() == shown for answer in (bearer.get("/shown/"), client(signer.token()).get("/shown/"))]

        told["refreshed, and a client"] = same()
        told["live by command"] = pair["session"] in ran("jwt_sessions", "--user", f"pk:{key}")
        told["listed by command"] = registered.client_id in ran("jwt_client", "list", "--user", f"pk:{key}")
        told["inspected"] = "live" in ran("jwt_inspect", pair["access_token"])
        ran("jwt_revoke", "--user", f"pk:{key}", "--yes")
        told["revoked"] = [bearer.get("/shown/").status_code, client(signer.token()).get("/shown/").status_code]
        bearer = client(sign_in().json()["access_token"])
        told["handed to hooks"] = len(heard) > 3 and all(each == shown for each in heard)
        heard.clear()
        told["again"] = bearer.get("/shown/").status_code
        if hasattr(models, "end"):
            models.end(user)
            told["ended"] = [bearer.get("/shown/").status_code, sign_in().status_code]
        return told

    def both(**options):
        told = {}
        for mode in ("database", "memory"):
            with override_settings(JWT_AUTH={"REVOCATION": mode, "CLAIMS_CALLABLE": claims, **options}):
                told[mode] = tour(f"ann{mode}@example.com")
        return told
"""


def tour(folder: Path, models: str, *, settings: str = "", code: str = "tell(both())") -> Any:
    """Return what the tour tells, by the mode; `code` runs after its definition."""
    return in_another_project(
        folder,
        models=dedent(models),
        settings=dedent(_SETTINGS) + dedent(settings),
        urls=dedent(_URLS),
        code=dedent(_TOUR) + dedent(code),
    )


@contextmanager
def managed_by(change: Callable[[Any], Any]) -> Iterator[None]:
    """Have the default manager of users give what `change` makes of its querysets."""
    model: Any = get_user_model()
    meta, former = vars(model._meta), model._default_manager

    class Changed(type(former)):  # type: ignore[misc]  # a class that is known at run time
        def get_queryset(self) -> Any:
            return change(super().get_queryset())

    manager = Changed()
    manager.contribute_to_class(model, "changed")
    meta["default_manager"] = manager
    try:
        with override_settings(JWT_AUTH={**django_settings.JWT_AUTH}):  # drops what was decided for the former manager
            yield
    finally:
        model._meta.local_managers.remove(manager)
        del model.changed
        model._meta._expire_cache()
