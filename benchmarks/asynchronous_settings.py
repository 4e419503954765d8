"""The settings of `benchmarks.asynchronous`."""

from benchmarks.settings import *  # noqa: F403  # settings files inherit this way
from benchmarks.settings import DATABASES

ROOT_URLCONF = "benchmarks.asynchronous_urls"
# Under ASGI each request has a thread of its own, and so would leave a connection behind.
DATABASES = {"default": {**DATABASES["default"], "CONN_MAX_AGE": 0}}
