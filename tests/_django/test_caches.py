"""The project's caches with a time limit: the same entries and keys, asked by another thread."""

import threading

import pytest
from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.locmem import LocMemCache

from jwt_auth._django.caches import backend_of, helping_cache, is_kept
from jwt_auth.process.helper import CircuitOpenError, HelperError

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
FAR = f"{__name__}.Far"


class Far(LocMemCache):
    """A cache that counts as another server, and knows the threads that ask it."""

    asked_by: set[int] = set()

    def get(self, key, *arguments, **options):
        Far.asked_by.add(threading.get_ident())
        return super().get(key, *arguments, **options)


def by_thread(key, key_prefix, version):
    """A KEY_FUNCTION whose result depends on the thread, such as on the tenant of its connection."""
    return f"{threading.get_ident()}:{key_prefix}:{version}:{key}"


@pytest.fixture
def configure(settings):
    def change(backend, **options):
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "test_caches", **options}}
        caches["default"].clear()
        Far.asked_by.clear()
        return helping_cache("default")

    return change


@pytest.mark.parametrize(("backend", "is_asked_here"), [(LOCMEM, True), (FAR, False)])
@pytest.mark.parametrize(
    "options",
    [{}, {"KEY_PREFIX": "shop", "VERSION": 3}, {"KEY_FUNCTION": f"{__name__}.by_thread"}, {"KEY_FUNCTION": by_thread}],
)
def test_its_entries_are_those_that_the_project_sees(configure, backend, is_asked_here, options):
    helping = configure(backend, **options)
    helping.call("one", lambda cache, key: cache.set(key, "by the app"))
    assert caches["default"].get("one") == "by the app"
    caches["default"].set("two", "by the project")
    Far.asked_by.clear()
    assert helping.call("two", lambda cache, key: cache.get(key)) == "by the project"
    assert (threading.get_ident() in Far.asked_by) is False
    assert bool(Far.asked_by) is not is_asked_here


def test_a_thread_keeps_its_connection_and_shares_it_with_nobody(configure):
    helping = configure(FAR)
    used = {helping.call("x", lambda cache, key: id(cache)) for _ in range(5)}
    assert len(used) == 1
    assert id(caches["default"]) not in used


def test_another_server_is_left_alone_after_a_failure_and_one_s_own_memory_is_not(configure):
    for backend, second in ((FAR, CircuitOpenError), (LOCMEM, HelperError)):
        helping = configure(backend)
        for expected in (HelperError, second):
            with pytest.raises(HelperError) as raised:
                helping.call("x", lambda cache, key: 1 / 0)
            assert raised.type is expected
    assert helping.call("x", lambda cache, key: "fine") == "fine"


def test_all_parts_of_the_app_share_what_is_known_of_a_cache(configure):
    assert configure(FAR) is helping_cache("default")
    assert configure(LOCMEM) is helping_cache("default")


def test_a_backend_that_is_not_there_is_django_s_own_error(settings):
    settings.CACHES = {"default": {"BACKEND": "nowhere.RedisCache"}}
    with pytest.raises(InvalidCacheBackendError, match=r"nowhere\.RedisCache"):
        backend_of("default")
    settings.CACHES = {"default": {"BACKEND": LOCMEM}}


class WithoutTouch(LocMemCache):
    """A project's own class, which has no `touch()`."""

    def touch(self, *args, **kwargs):
        raise NotImplementedError


@pytest.mark.parametrize("backend", [LocMemCache, WithoutTouch])
def test_an_entry_is_kept_or_not_whether_the_cache_can_touch_it_or_not(backend):
    cache = backend(backend.__name__, {})
    assert not is_kept(cache, "a", 10)
    cache.set("a", 1, 10)
    assert is_kept(cache, "a", 10)
