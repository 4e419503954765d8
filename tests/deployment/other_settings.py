"""Settings of a server that has no database and shares nothing with the first one."""

import json
import os
from datetime import timedelta

SECRET_KEY = "a secret of the other server, which signs nothing with it, whatever its length"
DEBUG = True  # so that it may ask for keys at http://localhost
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.deployment.other_urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "jwt_auth"]
DATABASES = {}
USE_TZ = True
TIME_ZONE = "UTC"
JWT_AUTH = {"REVOCATION": "none", **json.loads(os.environ["DEPLOYMENT_JWT_AUTH"])}
for trusted in JWT_AUTH["TRUSTED_ISSUERS"].values():
    trusted["REVOCATIONS_MAX_STALENESS"] = timedelta(seconds=2)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.JWTAuthentication"],
    "EXCEPTION_HANDLER": "jwt_auth.responses.exception_handler",
}
