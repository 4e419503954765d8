"""A project with packages for asynchronous APIs."""

from tests.settings import *  # noqa: F403  # settings files inherit this way

ROOT_URLCONF = "tests.contrib.asynchronous.urls"
DMR_SETTINGS = {"global_error_handler": "jwt_auth.contrib.modern_rest.handle_error"}
