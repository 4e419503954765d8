"""
Bells: how a process hears that there may be something new, before it is time to ask the database.

A bell says when to ask, and never what was revoked: who could forge or silence one could cost a question
or a delay, and nothing else.
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

# The key in the cache, and the channel in Redis.
NAME = "jwt_auth:revocations"

_TIMEOUT = 0.5  # seconds that a request waits at most for Redis
_PAUSE = 5.0  # seconds between attempts to reach it


class CacheBell:
    """A mark in a shared cache that changes with each revocation."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def ring(self) -> None:
        """Change the mark."""
        caches[self._alias].set(NAME, secrets.token_hex(8), None)

    def mark(self) -> str | None:
        """
        The mark as it is now; None when it says nothing.

        One that is missing was dropped, maybe with a change that nobody has seen.
        """
        try:
            mark: str | None = caches[self._alias].get(NAME)
            if mark is None:
                caches[self._alias].add(NAME, secrets.token_hex(8), None)
        except Exception as error:  # noqa: BLE001  # backends raise what their clients raise; the database knows
            logger.warning("REVOCATION_CACHE can't be read: %r.", error, extra=_fields("bell_unheard", error))
            return None
        return mark


class Push:
    """A subscription to messages that Redis hands on as soon as something is revoked."""

    def __init__(self, url: str, *, clock: Callable[[], float] = seconds) -> None:
        self._url = url
        self._clock = clock
        self._listening = Lock()
        self._subscription: Any = None
        self._retry_at = float("-inf")

    def ring(self) -> None:
        """Send a message to all."""
        with _redis(self._url) as client:
            client.publish(NAME, "")

    def rang(self) -> bool:
        """Whether a message came since the last time, or may have been missed. Never waits for one."""
        if not self._listening.acquire(blocking=False):
            return False
        try:
            return self._hear()
        except Exception as error:  # noqa: BLE001  # whatever it is, the database is asked in time all the same
            logger.warning("REVOCATION_PUSH can't be heard: %r.", error, extra=_fields("bell_unheard", error))
            self._subscription = None
            self._retry_at = self._clock() + _PAUSE
            return False
        finally:
            self._listening.release()

    def _hear(self) -> bool:
        if self._subscription is None:
            if self._clock() < self._retry_at:
                return False
            subscription = _redis(self._url).pubsub()
            subscription.subscribe(NAME)
            self._subscription = subscription
            return True
        heard = False
        while message := self._subscription.get_message(timeout=0):
            heard = heard or message["type"] == "message"
        return heard


@cached_until_settings_change
def cache_bell() -> CacheBell | None:
    """The bell that REVOCATION_CACHE names."""
    alias = get_settings().REVOCATION_CACHE
    return None if alias is None else CacheBell(alias)


def new_push() -> Push | None:
    """A subscription where REVOCATION_PUSH says; one for each view, because it hears each message once."""
    url = get_settings().REVOCATION_PUSH
    return None if url is None else Push(url)


def ring() -> None:
    """Ring all bells there are. The revocation is committed, and stands if one is broken."""
    for bell in (cache_bell(), new_push()):
        if bell is not None:
            try:
                bell.ring()
            except Exception as error:  # noqa: BLE001  # each client has errors of its own, and the deed is done
                extra = _fields("bell_unrung", error)
                # Without the traceback: frames of a client that was refused hold the password of its URL.
                logger.error("A revocation is not announced; processes learn it when they ask.", extra=extra)


def _fields(event: str, error: Exception) -> dict[str, str]:
    return {"event": event, "reason": repr(error)}


def _redis(url: str) -> Any:
    # Imported here, because it is an extra.
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0), protocol=2
    )
