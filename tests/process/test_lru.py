"""A mapping with a maximum size, which also holds when several threads use it at once."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from jwt_auth.process.lru import LRUCache


def test_the_least_recently_used_goes_first():
    cache = LRUCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert len(cache) == 2


def test_what_is_put_again_is_new():
    cache = LRUCache(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        cache.put(key, value)
    assert (cache.get("a"), len(cache)) == (3, 2)


def test_none_is_held_when_none_may_be():
    cache = LRUCache(0)
    cache.put("a", 1)
    assert (cache.get("a"), len(cache)) == (None, 0)


def test_it_can_be_emptied():
    cache = LRUCache(2)
    cache.put("a", 1)
    cache.clear()
    assert (cache.get("a"), len(cache)) == (None, 0)


class Hasty(OrderedDict):
    """A mapping in which another thread drops each entry right after it was looked up."""

    def get(self, key):
        return self.pop(key, None)


def test_what_another_thread_has_just_dropped_was_still_there():
    cache = LRUCache(2)
    cache._entries = Hasty(a=1)
    assert (cache.get("a"), cache.get("a")) == (1, None)


def test_threads_share_it_without_a_lock():
    cache, start = LRUCache(3), Barrier(8)

    def work(number):
        start.wait()
        for i in range(2000):
            key = (number * i) % 7
            cache.put(key, key)
            assert cache.get(key) in (None, key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(cache) <= 3
