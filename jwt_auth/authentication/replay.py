"""
Tokens that are good for once: whoever brings one first burns its `jti`, in one step that no other can share.

In a cache that all processes see, or else in the database. It is the last check of all, so that a token that is
refused for another reason is not used up by it (RFC 7523 section 3, item 7).
"""

import hashlib
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from django.core.cache import BaseCache, caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import IntegrityError, router, transaction
from django.utils import timezone

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import ReplayedTokenError, UnavailableError
from jwt_auth.models import UsedToken

# Of one process alone, or not able to add in one step; the table of a DatabaseCache is culled at random.
_UNFIT = (LocMemCache, DummyCache, FileBasedCache, DatabaseCache)

# A used token is remembered for so much longer than it lives: by the clock of another machine it still does.
_MARGIN = MAX_LEEWAY


def burn(iss: str, jti: str, until: datetime, *, now: datetime | None = None) -> None:
    """
    Use a token up.

    Args:
        iss: its issuer; each has names of its own.
        jti: its name.
        until: when it is dead by itself, leeway included; aware.

    Raises:
        ReplayedTokenError: when it was used before.
        UnavailableError: when that can't be known.
    """
    digest = _digest(iss, jti)
    cache = shared_cache()
    if cache is None:
        _write(digest, until + _MARGIN)
    else:
        _add(cache, digest, until + _MARGIN - (now or timezone.now()))


def shared_cache() -> BaseCache | None:
    """The cache that used tokens are kept in; None when there is no fit one, and they are kept in the database."""
    alias = get_settings().REPLAY_CACHE
    if alias is None or isinstance(caches[alias], _UNFIT):
        return None
    return caches[alias]


def _digest(iss: str, jti: str) -> UUID:
    # A NUL is in neither of the two, so that no other pair makes the same text.
    sha256 = hashlib.sha256(f"{iss}\0{jti}".encode()).digest()
    # A UUID of a known kind, because MariaDB stores no other; 122 bits of the hash are left.
    return UUID(bytes=sha256[:16], version=4)


def _add(cache: BaseCache, digest: UUID, life: timedelta) -> None:
    try:
        added = cache.add(f"jwt_auth.used.{digest.hex}", 1, ceil(life.total_seconds()))
    except Exception as error:  # each backend raises errors of its own kind
        raise UnavailableError(f"the cache of used tokens failed: {error!r}") from error
    if not added:
        raise ReplayedTokenError("the token was used before")


def _write(digest: UUID, expires_at: datetime) -> None:
    with outage_is_unavailable():
        try:
            with transaction.atomic(using=router.db_for_write(UsedToken)):
                UsedToken.objects.create(digest=digest, expires_at=expires_at)
        except IntegrityError:
            raise ReplayedTokenError("the token was used before") from None
