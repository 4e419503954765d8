"""Settings of a server whose Redis has every role that it can have."""

from tests.deployment.settings import *  # noqa: F403  # settings files inherit this way
from tests.deployment.settings import CACHES, JWT_AUTH, REST_FRAMEWORK

CACHES = {**CACHES, "default": CACHES["shared"]}
JWT_AUTH = {
    **JWT_AUTH,
    "REVOCATION_CACHE": "shared",
    "REVOCATION_PUSH": CACHES["shared"]["LOCATION"],
    "REPLAY_CACHE": "shared",
}
# Each request is counted, and none is refused for it.
REST_FRAMEWORK = {
    **REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {f"jwt_auth_{name}": "1000000/min" for name in ("refresh", "revoke", "user")},
}
