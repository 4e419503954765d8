"""The cursor as a value: its text."""

import re
from datetime import datetime, timedelta, timezone
from random import Random

import pytest

from jwt_auth.revocation.feed import cursors
from jwt_auth.revocation.feed.cursors import Cursor
from jwt_auth.revocation.window import Newest, Place, Position, Tally, Window
from tests.support.clocks import NOW

SECOND = int(NOW.timestamp())
NUMBER = 2**63 - 1


def cursor(place=None, **window):
    return Cursor(began_at=SECOND - 60, place=place, window=Window(asked_at=NOW, **window))


@pytest.mark.parametrize(
    "written",
    [
        cursor(),
        cursor(place=Place(NOW, 7)),
        cursor(page=Position(NOW, 0)),
        cursor(newest=Newest(NOW - timedelta(hours=1), NUMBER, NOW)),
        cursor(taken={SECOND: Tally(1, 1)}, tail=SECOND),
        cursor(taken={SECOND - 40: Tally(1, 7), SECOND: Tally(100_000, 2**40), SECOND + 3: Tally(3, 0)}),
        cursor(place=Place(NOW, 7), page=Position(NOW, 9), newest=Newest(NOW, 8, NOW), taken={SECOND: Tally(1, 1)}),
    ],
)
def test_what_is_written_is_read_again(written):
    assert cursors.read(cursors.write(written)) == written


def test_each_cursor_fits_into_a_request_line():
    """Numbers as large as a database can have, in each second that a window has, with the HMAC."""
    late = datetime(9998, 12, 31, tzinfo=timezone.utc)
    taken = {int(late.timestamp()) + each: Tally(10**6, 10**6 * 2**16) for each in range(-60, cursors.MAX_SECONDS - 60)}
    window = Window(
        asked_at=late,
        taken=taken,
        page=Position(late, NUMBER),
        newest=Newest(late, NUMBER, late),
        tail=int(late.timestamp()) + 86_400,
    )
    text = cursors.write(Cursor(began_at=int(late.timestamp()), place=Place(late, NUMBER), window=window))
    assert len(text) + 33 <= cursors.MAX_LENGTH
    assert re.fullmatch(r"[0-9a-f._-]+", text)


def test_random_cursors_are_read_as_they_were_written():
    random = Random(7)
    for _ in range(200):
        seconds = random.sample(range(-40, 80), random.randrange(100))
        taken = {SECOND + each: Tally(random.randrange(1, 10**5), random.randrange(10**9)) for each in seconds}
        written = cursor(taken=taken)
        assert cursors.read(cursors.write(written)) == written


def test_it_expires_after_an_hour():
    assert not cursor().has_expired(SECOND - 60 + 3599)
    assert cursor().has_expired(SECOND - 60 + 3600)
