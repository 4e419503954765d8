"""
Notifications: a process learns that there may be new revocations before it is time to ask the database.

    setting             a revocation                           a process that keeps a view
    ----------------    -----------------------------------    ------------------------------------------------------
    REVOCATION_CACHE    changes a marker in a shared cache     reads the marker when it is time to ask the database,
                                                               and asks only if the marker has changed, or five
                                                               seconds have passed
    REVOCATION_PUSH     publishes a message through Redis      looks for messages with its requests, every 10 ms at
                                                               most, and asks the database at once if there is one

A notification says when to ask, and never what was revoked. An attacker who forges notifications causes queries, and
one who suppresses them causes a delay (`view` has the bounds); neither can revoke a token, or undo a revocation.
"""

import logging
import secrets
from collections.abc import Callable
from threading import Lock
from typing import Any

from django.core.cache import caches

from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.process.clock import seconds

logger = logging.getLogger("jwt_auth")

# The name of the key in the cache, and of the channel in Redis.
NAME = "jwt_auth:revocations"

_TIMEOUT = 0.5  # the longest time, in seconds, that a request waits for Redis
_PAUSE = 5.0  # seconds between attempts to reach Redis: while it is down, few requests wait for the timeout


class CacheMarker:
    """A marker in a shared cache: a random value that each revocation replaces."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def notify(self) -> None:
        """Change the marker."""
        caches[self._alias].set(NAME, secrets.token_hex(8), None)

    def value(self) -> str | None:
        """
        Return the marker; None if it is missing or the cache fails, and so says nothing.

        The cache may have dropped a missing marker together with a change that this process has not seen. This sets
        a new one, so that the next look has a value to compare.
        """
        try:
            value: str | None = caches[self._alias].get(NAME)
            if value is None:
                # add(), not set(): several processes find the marker missing, and only the first one sets it.
                caches[self._alias].add(NAME, secrets.token_hex(8), None)
        except Exception as error:  # noqa: BLE001  # each backend has errors of its own; the database is asked then
            logger.warning("REVOCATION_CACHE can't be read: %s.", repr(error), extra=_fields("bell_unheard", error))
            return None
        return value


class Push:
    """A subscription to a Redis channel, which gets a message as soon as something is revoked."""

    def __init__(self, url: str, *, clock: Callable[[], float] = seconds) -> None:
        self._url = url
        self._clock = clock
        self._listening = Lock()  # the connection is for one thread at a time
        self._subscription: Any = None
        self._retry_at = float("-inf")

    def notify(self) -> None:
        """Publish a message to all processes."""
        with _redis(self._url) as client:
            client.publish(NAME, "")

    def has_message(self) -> bool:
        """
        Return whether a message has come since the last call, or may have been missed.

        This never waits for a message. If another thread is looking at the moment, the answer is False.
        """
        if not self._listening.acquire(blocking=False):
            return False
        try:
            return self._receive()
        except Exception as error:  # noqa: BLE001  # the client has errors of its own; the database is asked when due
            logger.warning("REVOCATION_PUSH can't be read: %s.", repr(error), extra=_fields("bell_unheard", error))
            self._subscription = None
            self._retry_at = self._clock() + _PAUSE
            return False
        finally:
            self._listening.release()

    def _receive(self) -> bool:
        if self._subscription is None:
            if self._clock() < self._retry_at:
                return False
            subscription = _redis(self._url).pubsub()
            subscription.subscribe(NAME)
            self._subscription = subscription
            return True  # messages may have been missed while there was no subscription
        received = False
        # All that have come are read: one query answers them together.
        while message := self._subscription.get_message(timeout=0):
            received = received or message["type"] == "message"
        return received


@cached_until_settings_change
def cache_marker() -> CacheMarker | None:
    """Return the marker in the cache that REVOCATION_CACHE names; None if the setting is None."""
    alias = get_settings().REVOCATION_CACHE
    return None if alias is None else CacheMarker(alias)


def new_push() -> Push | None:
    """
    Return a new subscription to the Redis that REVOCATION_PUSH names; None if the setting is None.

    Each view needs one of its own, because a subscription receives each message once.
    """
    url = get_settings().REVOCATION_PUSH
    return None if url is None else Push(url)


def notify() -> None:
    """Notify all processes, by each channel in the settings. If one fails, the revocation is committed all the same."""
    for channel in (cache_marker(), new_push()):
        if channel is not None:
            try:
                channel.notify()
            except Exception as error:  # noqa: BLE001  # each client has errors of its own
                extra = _fields("bell_unrung", error)
                # No traceback: if the connection was refused, its frames contain the password from the URL.
                logger.error("A revocation was not announced. Processes learn of it when they ask.", extra=extra)


def _fields(event: str, error: Exception) -> dict[str, str]:
    return {"event": event, "reason": repr(error)}


def _redis(url: str) -> Any:
    # Imported here, because `redis` is an optional dependency.
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0), protocol=2
    )
