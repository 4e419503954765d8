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

A cache or a Redis that fails or hangs is left alone for a while (`process.helper`). Meanwhile no marker is changed and
no message is sent: other processes learn of a revocation when they ask the database.
"""

import logging
import secrets
from contextlib import suppress
from threading import Lock
from typing import Any

from django.core.cache import BaseCache

from jwt_auth._django.caches import helping_cache
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.process.helper import LIMIT, CircuitOpenError, Helper, HelperError

logger = logging.getLogger("jwt_auth")

# The name of the key in the cache, and of the channel in Redis.
NAME = "jwt_auth:revocations"


class CacheMarker:
    """A marker in a shared cache: a random value that each revocation replaces."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        helping_cache(alias)  # imports its client now, and not while other threads wait for the list

    def notify(self) -> None:
        """
        Change the marker.

        Raises:
            HelperError: if the cache fails.
        """
        helping_cache(self._alias).call(NAME, lambda cache, key: cache.set(key, secrets.token_hex(8), None))

    def value(self) -> str | None:
        """
        Return the marker; None if it is missing or the cache fails, and so says nothing.

        The cache may have dropped a missing marker together with a change that this process has not seen. This sets
        a new one, so that the next look has a value to compare.
        """
        try:
            return helping_cache(self._alias).call(NAME, _value_of)
        except CircuitOpenError:
            return None  # its failure was logged
        except HelperError as error:
            logger.warning("REVOCATION_CACHE can't be read: %s.", error, extra=_fields("bell_unheard", error))
            return None


def _value_of(cache: BaseCache, key: str) -> str | None:
    value: str | None = cache.get(key)
    if value is None:
        # add(), not set(): several processes find the marker missing, and only the first one sets it.
        cache.add(key, secrets.token_hex(8), None)
    return value


class Push:
    """A subscription to a Redis channel, which gets a message as soon as something is revoked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listening = Lock()  # the connection is for one thread at a time
        self._subscription: Any = None
        with suppress(Exception):  # the first call meets the same error
            _redis(url)  # imports the client now: this may take longer than a call

    def notify(self) -> None:
        """
        Publish a message to all processes.

        Raises:
            HelperError: if Redis fails.
        """
        _redis_server().call(lambda: _publish(self._url))

    def has_message(self) -> bool:
        """
        Return whether a message has come since the last call, or may have been missed.

        This never waits for a message. If another thread is looking at the moment, the answer is False.
        """
        if not self._listening.acquire(blocking=False):
            return False
        try:
            return self._receive()
        except CircuitOpenError:
            return False  # its failure was logged
        except HelperError as error:
            logger.warning("REVOCATION_PUSH can't be read: %s.", error, extra=_fields("bell_unheard", error))
            return False
        finally:
            self._listening.release()

    def _receive(self) -> bool:
        if self._subscription is None:
            self._subscription = _redis_server().call(lambda: _subscribe(self._url))
            return True  # messages may have been missed while there was no subscription
        received = False
        try:
            # All that have come are read: one query answers them together. If the connection is broken, can_read()
            # raises an error, and get_message() would first connect anew, which may take long.
            while self._subscription.connection.can_read(0):
                message = self._subscription.get_message(timeout=0)
                received = received or (message or {}).get("type") == "message"
        except Exception as error:  # the client has errors of its own
            self._subscription = None
            _redis_server().fail(error)
            raise HelperError(repr(error)) from error
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
            except HelperError as error:
                extra = _fields("bell_unrung", error)
                # No traceback: if the connection was refused, its frames contain the password from the URL.
                logger.error("A revocation was not announced. Processes learn of it when they ask.", extra=extra)


def _fields(event: str, error: HelperError) -> dict[str, str]:
    return {"event": event, "reason": str(error)}


@cached_until_settings_change
def _redis_server() -> Helper:
    """Return the Redis of REVOCATION_PUSH: after a failure, neither publishers nor listeners ask it."""
    return Helper()


def _publish(url: str) -> None:
    with _redis(url) as client:
        client.publish(NAME, "")


def _subscribe(url: str) -> Any:
    subscription = _redis(url).pubsub()
    subscription.subscribe(NAME)
    return subscription


def _redis(url: str) -> Any:
    """Return a client that is not connected yet."""
    # Imported here, because `redis` is an optional dependency.
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # The limits end the thread that a hanging call is left to.
    return Redis.from_url(
        url, socket_timeout=LIMIT, socket_connect_timeout=LIMIT, retry=Retry(NoBackoff(), 0), protocol=2
    )
