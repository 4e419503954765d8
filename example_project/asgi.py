"""
The example project as an ASGI application, which the page at /live/ needs:

    pip install -e ".[channels]" "uvicorn[standard]"
    uvicorn example_project.asgi:application
"""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
# Before the other imports, because it loads the apps. `runserver` serves static files by itself; uvicorn does not.
django_application = ASGIStaticFilesHandler(get_asgi_application())

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  # see above
from django.urls import path  # noqa: E402  # see above

from example_project.live.consumers import EchoConsumer  # noqa: E402  # see above
from jwt_auth.contrib.channels import JWTWebSocketMiddleware  # noqa: E402  # see above

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": JWTWebSocketMiddleware(URLRouter([path("live/socket/", EchoConsumer.as_asgi())])),
    }
)
