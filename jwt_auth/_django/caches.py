"""
Access to the project's caches with a time limit; a cache that failed is not called for a while (`Helper`).

The thread that asks a cache has a connection to it of its own: a call that is given up may still use the connection,
and clients of caches need not be thread-safe. A cache in the memory of the process, or in the database, is asked
directly: it is not another server.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache as cached
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.core.cache import BaseCache, CacheHandler, InvalidCacheBackendError, caches
from django.core.cache.backends.base import get_key_func
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from jwt_auth.process.helper import Helper, HelperError

T = TypeVar("T")


class HelpingCache:
    """
    One of the project's CACHES. Its key prefix, version and KEY_FUNCTION apply.

    Args:
        alias: its name in CACHES.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        backend = backend_of(alias)
        # By its exact class: a project's own class may do anything.
        self._is_near = backend in (LocMemCache, DummyCache) or issubclass(backend, BaseDatabaseCache)
        self._helper = Helper()
        options = django_settings.CACHES[alias]
        self._make_key = get_key_func(options.get("KEY_FUNCTION"))
        self._key_options = options.get("KEY_PREFIX", ""), options.get("VERSION", 1)
        own = {alias: {**options, "KEY_FUNCTION": _as_it_is}}
        self._connections = CacheHandler(own)  # one connection for each thread, as in `caches`
        # Django's backends import their client with the first connection, or its first use, and connect later. The
        # import may take longer than a call.
        with suppress(Exception):  # the first call meets the same error
            getattr(CacheHandler(own)[alias], "_cache", None)

    def call(self, key: str, work: Callable[[BaseCache, str], T]) -> T:
        """
        Return the result of `work`, which gets the cache and the key to use with it.

        Raises:
            HelperError: if it raises an error, takes too long, or is not run because the cache failed a moment ago.
        """
        if self._is_near:
            try:
                return work(caches[self._alias], key)
            except Exception as error:  # each backend raises errors of its own kind
                raise HelperError(repr(error)) from error
        # Made by this thread: a project's KEY_FUNCTION may depend on it, such as on the tenant of its connection.
        made = self._make_key(key, *self._key_options)
        return self._helper.call(lambda: self._ask(work, made))

    def _ask(self, work: Callable[[BaseCache, str], T], key: str) -> T:
        cache = self._connections[self._alias]
        try:
            return work(cache, key)
        finally:
            cache.close()  # as Django does at the end of a request


@cached
def helping_cache(alias: str) -> HelpingCache:
    """Return the cache of this name. All parts of the app share it: if it fails for one, all leave it alone."""
    return HelpingCache(alias)


def backend_of(alias: str) -> type[Any]:
    """
    Return the class of the cache `alias`.

    Raises:
        InvalidCacheBackendError: if it can't be imported, as Django does.
    """
    path = django_settings.CACHES[alias]["BACKEND"]
    try:
        backend: type[Any] = import_string(path)
    except ImportError as error:
        raise InvalidCacheBackendError(f"Could not find backend '{path}': {error}") from error
    return backend


def is_kept(cache: BaseCache, key: str, timeout: int) -> bool:
    """
    Return whether the cache has an entry, and will have it for `timeout` seconds more.

    A cache that hides its errors, such as django-redis with IGNORE_EXCEPTIONS, does not say whether it has stored
    something. This asks by changing the entry: a replica for reads may not have it yet.
    """
    try:
        return bool(cache.touch(key, timeout))
    except NotImplementedError:  # in a project's own class
        return cache.get(key) is not None


def _as_it_is(key: str, key_prefix: str, version: int) -> str:
    return key


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "CACHES":
        helping_cache.cache_clear()


setting_changed.connect(_forget, dispatch_uid="jwt_auth.caches")
