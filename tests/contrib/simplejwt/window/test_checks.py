"""The system checks of the window."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken, SlidingToken

from jwt_auth.contrib.simplejwt import window_checks
from jwt_auth.contrib.simplejwt.window import package
from jwt_auth.contrib.simplejwt.window_checks import check_window
from jwt_auth.exceptions import ConfigurationError
from tests.support.checks import ids
from tests.support.clocks import NOW


def found():
    return [message.id.removeprefix("jwt_auth.") for message in check_window()]


@pytest.fixture(autouse=True)
def _open(jwt_settings, clock):
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": NOW + timedelta(days=14)})


def test_a_sound_window_has_no_message():
    assert found() == []


def test_it_is_among_the_checks_of_the_app(package_settings):
    assert "W105" not in ids()
    package_settings(ROTATE_REFRESH_TOKENS=False)
    assert "W105" in ids()


def test_with_local_times_their_error_is_reported(settings):
    settings.USE_TZ = False
    assert "E023" in ids()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"TOKEN_TYPE_CLAIM": None}, ["E105"]),
        ({"JTI_CLAIM": None}, ["E105"]),
        ({"TOKEN_TYPE_CLAIM": None, "JTI_CLAIM": None}, ["E105", "E105"]),
        ({"USER_ID_FIELD": "nothing"}, ["E106"]),
        ({"USER_ID_FIELD": "pk"}, []),
        ({"JWK_URL": "https://other.example/keys"}, ["E107"]),
        ({"ROTATE_REFRESH_TOKENS": False}, ["W105"]),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(days=13)}, []),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(days=12)}, ["W106"]),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(days=12), "ACCESS_TOKEN_LIFETIME": timedelta(days=14)}, []),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(days=1), "SLIDING_TOKEN_REFRESH_LIFETIME": timedelta(days=14)}, ["W106"]),
        ({"ACCESS_TOKEN_LIFETIME": timedelta(days=30)}, []),
        ({"ACCESS_TOKEN_LIFETIME": timedelta(days=31)}, []),
        ({"AUTH_TOKEN_CLASSES": 1}, ["E104"]),
    ],
)
def test_settings_of_simplejwt(package_settings, changes, expected):
    package_settings(**changes)
    assert found() == expected


def test_a_name_that_another_user_may_get_is_w108(package_settings):
    assert found() == []
    package_settings(USER_ID_FIELD="pk")
    assert found() == []
    package_settings(USER_ID_FIELD=get_user_model().USERNAME_FIELD)
    assert found() == ["W108"]


def test_the_life_of_sliding_tokens_counts_where_they_are_used(package_settings):
    package_settings(
        REFRESH_TOKEN_LIFETIME=timedelta(days=1),
        SLIDING_TOKEN_REFRESH_LIFETIME=timedelta(days=14),
        AUTH_TOKEN_CLASSES=(AccessToken, SlidingToken),
    )
    assert found() == []


def test_what_a_check_reports_is_raised_for_a_token(package_settings):
    package_settings(JWK_URL="https://other.example/keys")
    with pytest.raises(ConfigurationError, match="JWK_URL"):
        package.package()


def test_a_missing_blacklist(package_settings, monkeypatch):
    monkeypatch.setattr(window_checks, "BLACKLIST", "elsewhere")
    assert found() == ["E108"]
    package_settings(BLACKLIST_AFTER_ROTATION=False)
    assert found() == []


def test_a_blacklist_in_another_database(monkeypatch):
    monkeypatch.setattr(window_checks, "has_blacklist", lambda: False)
    assert found() == ["W107"]


def test_after_the_end_it_says_what_can_go(jwt_settings, settings, monkeypatch):
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": timezone.now()})
    [message] = check_window()
    assert message.id == "jwt_auth.W104"
    assert '"rest_framework_simplejwt.token_blacklist" in INSTALLED_APPS, SIMPLE_JWT, the package' in message.hint
    assert "flushexpiredtokens, and then manage.py migrate token_blacklist zero" in message.hint
    monkeypatch.setattr(window_checks, "BLACKLIST", "elsewhere")
    del settings.SIMPLE_JWT
    [message] = check_window()
    assert message.hint == 'Remove what is left: SIMPLEJWT["ACCEPT_UNTIL"], the package djangorestframework-simplejwt.'


@pytest.mark.parametrize("options", [None, {}, {"ACCEPT_UNTIL": "soon"}])
def test_without_a_window_there_is_nothing_to_check(jwt_settings, package_settings, options):
    package_settings(ROTATE_REFRESH_TOKENS=False)
    assert found() == ["W105"]
    jwt_settings(SIMPLEJWT=options)
    assert found() == []


def test_faults_of_the_settings_come_first(jwt_settings, package_settings):
    package_settings(ROTATE_REFRESH_TOKENS=False)
    jwt_settings(ALGORITHM="none")
    assert found() == []
