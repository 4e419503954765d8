"""
Single-use tokens: the first request with a token records its `jti`, in one atomic step; later ones are refused.

The record is kept in a cache that all processes share, or else in the database. This check is the last one, so that a
token that is refused for another reason is not used up (RFC 7523 section 3, item 7).
"""

import hashlib
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from django.core.cache import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import IntegrityError, router, transaction
from django.utils import timezone

from jwt_auth._django.caches import HelpingCache, backend_of, helping_cache, is_kept
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import ReplayedTokenError, UnavailableError
from jwt_auth.models import UsedToken
from jwt_auth.process.helper import HelperError

# These belong to one process, or can't add in one atomic step; a full DatabaseCache deletes entries at random.
_UNFIT = (LocMemCache, DummyCache, FileBasedCache, DatabaseCache)

# Used tokens are kept for this time after they expire: by the clock of another machine they may be unexpired still.
_MARGIN = MAX_LEEWAY


def burn(iss: str, jti: str, until: datetime, *, only_revokes: bool = False, now: datetime | None = None) -> None:
    """
    Use up a single-use token.

    Args:
        iss: its issuer: each issuer has its own `jti` values.
        jti: its id.
        until: the time when it expires, including the leeway; aware.
        only_revokes: True if the request can only revoke something. If the cache fails, its token is then recorded in
            the database. A token that only the cache knows may revoke once more: that is better than being unable to
            revoke.

    Raises:
        ReplayedTokenError: when it was used before.
        UnavailableError: when that can't be found out.
    """
    digest = digest_of(iss, jti)
    cache = shared_cache()
    if cache is not None:
        try:
            _add(cache, digest, until + _MARGIN - (now or timezone.now()))
        except UnavailableError:
            if not only_revokes:
                raise
        else:
            return
    record(digest, until)


def shared_cache() -> HelpingCache | None:
    """Return the cache for used tokens; None if there is no suitable one, and they are kept in the database."""
    alias = get_settings().REPLAY_CACHE
    if alias is None or issubclass(backend_of(alias), _UNFIT):
        return None
    return helping_cache(alias)


def digest_of(iss: str, jti: str) -> UUID:
    """Return the key of a used token, and of nothing else."""
    # Neither of the two contains NUL, so no other pair makes the same text.
    sha256 = hashlib.sha256(f"{iss}\0{jti}".encode()).digest()
    # With a valid version, because MariaDB stores no other UUIDs; 122 bits of the hash remain.
    return UUID(bytes=sha256[:16], version=4)


def _add(cache: HelpingCache, digest: UUID, life: timedelta) -> None:
    seconds = ceil(life.total_seconds())

    def add(cache: BaseCache, key: str) -> tuple[bool, bool]:
        added = bool(cache.add(key, 1, seconds))
        # A cache that hides its errors says "not added" as well.
        return added, added or is_kept(cache, key, seconds)

    try:
        added, kept = cache.call(f"jwt_auth.used.{digest.hex}", add)
    except HelperError as error:
        raise UnavailableError(f"the cache of used tokens failed: {error}") from error
    if not kept:
        raise UnavailableError("the cache of used tokens does not store anything")
    if not added:
        raise ReplayedTokenError("the token was used before")


def record(digest: UUID, until: datetime) -> None:
    """Use up a token that expires at `until`, in the database; raise ReplayedTokenError when it was used before."""
    with outage_is_unavailable():
        try:
            with transaction.atomic(using=router.db_for_write(UsedToken)):
                UsedToken.objects.create(digest=digest, expires_at=until + _MARGIN)
        except IntegrityError:
            raise ReplayedTokenError("the token was used before") from None
