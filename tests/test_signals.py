"""Each signal is sent with exactly the arguments that its page lists."""

import re

import pytest
from django.dispatch import Signal

from jwt_auth import signals
from tests.support import ROOT, happenings

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = ROOT / "docs/reference/signals.md"

SIGNALS = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}

# Each signal is logged under its name, so the functions that cause the log records cause the signals as well; the
# one that is not logged is sent at every sign-in if it has a receiver.
HAPPENINGS = {event: happening for happening, (event, _) in happenings.HAPPENINGS.items()}
HAPPENINGS["new_device_seen"] = happenings.sign_in


def documented():
    """Return the arguments of each signal, by its name."""
    listed = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", arguments)) for name, arguments in listed}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_has_the_arguments_that_are_documented(client, user, heard, name):
    sent = heard(SIGNALS[name])
    HAPPENINGS[name](client, user)
    assert sent
    assert {frozenset(arguments) for _, arguments in sent} == {frozenset(documented()[name])}
