"""System checks of the exchange of Django sessions."""

import pytest

from tests.support.checks import ids

TIED, USER = "jwt_auth.middleware.TiedSessionMiddleware", "jwt_auth.middleware.JWTUserMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
EXCHANGE_IDS = {"E033", "E035"}


@pytest.mark.parametrize(
    ("mode", "added", "removed", "engine", "expected"),
    [
        (None, [], [SESSIONS], "signed_cookies", set()),
        ("keep", [], [], "signed_cookies", set()),
        ("keep", [], [SESSIONS], "db", {"E033"}),
        ("tie", [], [], "db", {"E033"}),
        ("tie", [TIED, USER], [], "db", set()),
        ("tie", [USER, TIED], [], "db", {"E033"}),
        ("tie", [TIED], [], "signed_cookies", {"E035"}),
    ],
)
def test_what_the_exchange_needs(settings, jwt_settings, mode, added, removed, engine, expected):
    jwt_settings(SESSION_EXCHANGE=mode)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name not in removed] + added
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert EXCHANGE_IDS.intersection(ids()) == expected


def test_invalid_settings_are_reported_alone(jwt_settings):
    jwt_settings(SESSION_EXCHANGE="always")
    assert ids() == ["E004"]
