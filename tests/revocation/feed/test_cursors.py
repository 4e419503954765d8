"""The cursor as a value: its text, and what becomes of the numbers in it."""

from random import Random

import pytest

from jwt_auth.revocation.feed import cursors
from jwt_auth.revocation.feed.cursors import Cursor
from jwt_auth.revocation.memory.numbers import Gap

LIFE = 400
EMPTY = Cursor(newest=0, mark="", made_at=1000)


@pytest.mark.parametrize(
    "cursor",
    [
        EMPTY,
        Cursor(newest=7, mark="0123456789abcdef", made_at=1000),
        Cursor(newest=7, mark="ab", made_at=1000, restart_at=1060, gaps=(Gap(1, 3, 1400), Gap(5, 5, 1001))),
        Cursor(newest=2**63 - 1, mark="ab", made_at=2**32, gaps=(Gap(1, 2**63 - 3, 2**32 + 400),)),
    ],
)
def test_what_is_written_is_read_again(cursor):
    assert cursors.read(cursors.write(cursor)) == cursor


def test_an_expired_gap_is_written_as_one_that_ends_now():
    cursor = Cursor(newest=7, mark="", made_at=1000, gaps=(Gap(5, 5, 999),))
    assert cursors.read(cursors.write(cursor)).gaps == (Gap(5, 5, 1000),)


def test_each_cursor_fits_into_a_request_line():
    """Numbers as large as a database can have, and as many gaps as a cursor has."""
    largest = 2**63 - 1
    step = largest // cursors.MAX_GAPS
    numbers = range(step - 1, largest, step)
    cursor = EMPTY.advance(numbers, "0123456789abcdef", 2**32, 86_400)
    assert len(cursor.gaps) == cursors.MAX_GAPS
    assert (
        len(cursors.write(cursor)) + len(".") + 32
        <= cursors.MAX_LENGTH
        < 4094 - len("GET /auth/.well-known/revocations?")
    )


def test_the_newest_gaps_are_kept_and_the_rest_has_an_end():
    many = EMPTY.advance(range(2, 2 * cursors.MAX_GAPS + 3, 2), "ab", 1000, LIFE)
    assert (many.gaps[0].first, len(many.gaps)) == (3, cursors.MAX_GAPS)
    assert many.restart_at == 1000 + cursors.RESTART_AFTER
    # New revocations do not delay it.
    later = many.advance([2 * cursors.MAX_GAPS + 4], "ab", 1030, LIFE)
    assert later.restart_at == many.restart_at
    assert [later.has_expired(now, LIFE) for now in (1059, 1060)] == [False, True]
    # The control: as many gaps as there may be.
    assert EMPTY.advance(range(2, 2 * cursors.MAX_GAPS + 1, 2), "ab", 1000, LIFE).restart_at == 0


def test_many_more_gaps_than_a_list_holds_are_no_fewer_in_the_cursor():
    many = EMPTY.advance(range(2, 1000, 2), "ab", 1000, LIFE)
    assert len(many.gaps) == cursors.MAX_GAPS
    assert many.restart_at


def test_a_cursor_expires_after_the_life_of_a_token():
    assert [EMPTY.has_expired(now, LIFE) for now in (1399, 1400)] == [False, True]


def test_no_number_is_lost_in_whichever_order_they_come():
    """Each number is read, or in a gap, or above the newest one."""
    for seed in range(200):
        random = Random(seed)
        waiting = list(range(1, 60))
        cursor, read = EMPTY, set()
        while waiting:
            visible = random.sample(waiting, min(len(waiting), random.randrange(1, 8)))
            cursor = cursors.read(cursors.write(cursor.advance(visible, "ab", 1000, LIFE)))
            read.update(visible)
            waiting = [number for number in waiting if number not in read]
            in_gaps = {number for gap in cursor.gaps for number in range(gap.first, gap.last + 1)}
            assert read.isdisjoint(in_gaps)
            assert {number for number in waiting if number <= cursor.newest} == in_gaps
