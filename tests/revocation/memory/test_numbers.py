"""Numbers that count as missing, compared with a set that is kept by hand."""

from hypothesis import given, strategies as st

from jwt_auth.revocation.memory.numbers import MAX_GAPS, Numbers

SOME = st.sets(st.integers(1, 60), max_size=30)


def missing(numbers):
    found = [number for gap in numbers.gaps for number in range(gap.first, gap.last + 1)]
    assert found == sorted(set(found))
    assert all(gap.first <= gap.last for gap in numbers.gaps)  # empty ranges would count as gaps
    everything = range(1, numbers.newest + 5)
    unread = set(numbers.unread(everything))
    assert unread == set(found) | {n for n in everything if n < numbers._first or n > numbers.newest}
    return set(found)


@given(known=SOME, newest=st.integers(0, 60), first=st.integers(1, 60), batches=st.lists(SOME, max_size=5))
def test_whatever_is_read_in_whatever_order_the_rest_is_missing(known, newest, first, batches):
    known = {number for number in known if number >= first}
    numbers = Numbers(10)
    numbers.restart(newest, known, first, now=0)
    read, top = set(known), max([newest, first - 1, *known])
    assert missing(numbers) == set(range(first, top + 1)) - read
    for batch in batches:
        numbers.read(batch, now=0)
        read, top = read | batch, max([top, *batch])
        assert missing(numbers) == set(range(first, top + 1)) - read
    assert numbers.newest == top


def test_a_gap_is_asked_for_as_long_as_it_may_matter():
    numbers = Numbers(10)
    numbers.read([5], now=0)
    numbers.read([8], now=4)
    numbers.give_up(9)
    assert missing(numbers) == {1, 2, 3, 4, 6, 7}
    numbers.read([3], now=9)  # the rest of a gap is as old as the whole gap
    numbers.give_up(10)
    assert missing(numbers) == {6, 7}
    numbers.give_up(14)
    assert not numbers.gaps


def test_of_too_many_gaps_the_newest_are_kept():
    numbers = Numbers(10)
    numbers.read(range(2, 2 * MAX_GAPS + 2, 2), now=0)
    assert not numbers.crowded
    numbers.read([2 * MAX_GAPS + 2], now=0)
    assert numbers.crowded
    assert missing(numbers) == set(range(3, 2 * MAX_GAPS + 2, 2))
    numbers.restart(7, [], 1, now=0)
    assert not numbers.crowded
