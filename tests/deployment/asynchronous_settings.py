"""Settings of the servers of asynchronous views."""

import os
from datetime import timedelta

from tests.deployment.settings import *  # noqa: F403  # settings files inherit this way
from tests.deployment.settings import DATABASES, JWT_AUTH

ROOT_URLCONF = "tests.deployment.asynchronous"
MIDDLEWARE = ["jwt_auth.middleware.VaryMiddleware", "jwt_auth.middleware.JWTUserMiddleware"]
# Under ASGI each request has a thread of its own, and so would leave a connection behind.
DATABASES = {"default": {**DATABASES["default"], "CONN_MAX_AGE": 0}}
JWT_AUTH = {**JWT_AUTH, "REVOCATION_MAX_STALENESS": timedelta(seconds=int(os.environ.get("DEPLOYMENT_STALENESS", "1")))}
