"""`jwt_clear_expired`: its output, and the effect of its options."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jwt_auth.management.commands import jwt_clear_expired
from jwt_auth.models import RevocationEvent, UsedToken, UserSession
from tests.support.commands import Terminal, run
from tests.support.rows import event_rows, session_rows

DAY = timedelta(days=1)


@pytest.fixture
def rows(user):
    """Five sessions and five events, which ended 1, 2, 10, 400 and -1 days ago, and two used tokens."""
    now = timezone.now()
    ends = [now - days * DAY for days in (1, 2, 10, 400, -1)]
    session_rows(user, *ends)
    event_rows(*ends)
    UsedToken.objects.bulk_create(UsedToken(digest=uuid4(), expires_at=end) for end in ends[-2:])


def counts():
    return UserSession.objects.count(), RevocationEvent.objects.count()


def without_times(text):
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text)


def test_it_deletes_what_is_over_and_says_so(rows):
    assert without_times(run("jwt_clear_expired")) == (
        "4 expired sessions deleted in 0.0 s.\n"
        "1 expired events deleted in 0.0 s.\n"
        "1 expired used tokens deleted in 0.0 s.\n"
    )
    assert counts() == (1, 4)
    assert run("jwt_clear_expired").startswith("0 expired sessions deleted")


def test_a_dry_run_only_counts(rows):
    assert run("jwt_clear_expired", "--dry-run", "--keep-events-days=5") == (
        "4 expired sessions would be deleted.\n"
        "2 expired events would be deleted.\n"
        "1 expired used tokens would be deleted.\n"
    )
    assert counts() == (5, 5)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--keep-sessions-days=5"], (3, 4)),
        (["--keep-sessions-days=36500"], (5, 4)),
        (["--keep-events-days=0"], (1, 1)),
        (["--keep-events-days=36500", "--batch-size=1"], (1, 5)),
    ],
)
def test_what_is_to_be_kept_is_kept(rows, options, left):
    run("jwt_clear_expired", *options)
    assert counts() == left


@pytest.mark.parametrize(
    "option",
    ["--batch-size=0", "--batch-size=x", "--keep-sessions-days=-1", "--keep-events-days=36501", "--batch-size=9999999"],
)
def test_senseless_numbers_are_refused(db, option):
    with pytest.raises(CommandError, match=option.partition("=")[0]):
        run("jwt_clear_expired", option)


def test_it_can_be_silent(rows):
    assert run("jwt_clear_expired", "--verbosity=0") == ""
    assert counts() == (1, 4)


def test_at_a_terminal_it_shows_how_far_it_is_in_one_line(rows):
    out = Terminal()
    call_command("jwt_clear_expired", "--batch-size=2", stdout=out, no_color=True)
    lines = [line.split("\r") for line in out.getvalue().split("\n")[:-1]]
    assert [without_times(line[-1]).rstrip() for line in lines] == [
        "4 expired sessions deleted in 0.0 s.",
        "1 expired events deleted in 0.0 s.",
        "1 expired used tokens deleted in 0.0 s.",
    ]
    progress, last, done = lines[0]
    assert progress.rstrip() == "2 expired sessions deleted so far"
    assert last.rstrip() == "4 expired sessions deleted so far"
    assert len(done) >= len(last.rstrip())  # no part of the line before is visible


def test_elsewhere_it_writes_a_line_now_and_then(rows, monkeypatch):
    assert len(run("jwt_clear_expired", "--batch-size=1", "--dry-run").splitlines()) == 3
    assert len(run("jwt_clear_expired", "--batch-size=1", "--dry-run", "--verbosity=0").splitlines()) == 3
    seconds = iter(range(0, 1000, 3))
    monkeypatch.setattr(jwt_clear_expired, "monotonic", lambda: next(seconds))
    assert run("jwt_clear_expired", "--batch-size=1", "--dry-run").startswith("2 expired sessions counted so far\n")
    lines = run("jwt_clear_expired", "--batch-size=1").splitlines()
    assert lines[:2] == ["2 expired sessions deleted so far", "4 expired sessions deleted so far"]
    assert without_times(lines[2]).startswith("4 expired sessions deleted in")


def test_ctrl_c_says_how_far_it_came(rows, monkeypatch):
    monkeypatch.setattr(jwt_clear_expired.Command, "report", _interrupt)
    with pytest.raises(CommandError, match="Interrupted after 2 sessions, which stay deleted") as caught:
        run("jwt_clear_expired", "--batch-size=2")
    assert caught.value.returncode == 130
    assert counts() == (3, 5)


def _interrupt(*arguments):
    raise KeyboardInterrupt
