"""A mapping that never holds more than it may, whoever uses it at once."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from jwt_auth.process.lru import Recent


def test_the_least_recently_used_goes_first():
    recent = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]
    assert len(recent) == 2


def test_what_is_put_again_is_new():
    recent = Recent(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        recent.put(key, value)
    assert (recent.get("a"), len(recent)) == (3, 2)


def test_none_is_held_when_none_may_be():
    recent = Recent(0)
    recent.put("a", 1)
    assert (recent.get("a"), len(recent)) == (None, 0)


def test_it_can_be_emptied():
    recent = Recent(2)
    recent.put("a", 1)
    recent.clear()
    assert (recent.get("a"), len(recent)) == (None, 0)


class Hasty(OrderedDict):
    """Another thread drops each entry as soon as it was looked at."""

    def get(self, key):
        return self.pop(key, None)


def test_what_another_thread_has_just_dropped_was_still_there():
    recent = Recent(2)
    recent._entries = Hasty(a=1)
    assert (recent.get("a"), recent.get("a")) == (1, None)


def test_threads_share_it_without_a_lock():
    recent, start = Recent(3), Barrier(8)

    def work(number):
        start.wait()
        for i in range(2000):
            key = (number * i) % 7
            recent.put(key, key)
            assert recent.get(key) in (None, key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(recent) <= 3
