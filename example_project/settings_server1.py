"""
The example project as a server whose users also use another server (example_project.server2).

Its signing keys are key pairs in the database, because the other server verifies with the public keys:
`manage.py jwt_keys create --activate` makes the first one.
"""

import os

from example_project.settings import *  # noqa: F403  # settings files inherit this way
from example_project.settings import DATA_DIR

# The URLs of the servers. In production use https, and separate machines.
SERVER1 = os.environ.get("SERVER1", "http://localhost:8001")
SERVER2 = os.environ.get("SERVER2", "http://localhost:8002")

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "server1.sqlite3"}}

# Security events go to a file; by default the commands would print them among their own output.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"events": {"class": "logging.FileHandler", "filename": DATA_DIR / "events.log", "delay": True}},
    "loggers": {"jwt_auth": {"handlers": ["events"], "level": "INFO", "propagate": False}},
}

JWT_AUTH = {
    "ISSUER": SERVER1,
    "ALGORITHM": "ES256",
    "KEYS": "database",
    "REVOCATION": "memory",
    "SERVICE_AUDIENCES": {SERVER2: {"USERS": ["reports.read"]}},
}
