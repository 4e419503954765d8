"""System checks of SIMPLEJWT, and of a SIMPLE_JWT that nothing reads."""

from datetime import date

import pytest
from django.core import checks

from jwt_auth.conf.former import hint_for
from tests.support.checks import found, ids

PLACE = "jwt_auth.contrib.simplejwt.serializers"

FAULTS = {
    "E100": {"ROTATE_REFRESH_TOKENS": True},
    "E101": {"AUTH_HEADER_NAME": "Authorization"},
    "E102": {"TOKEN_VERIFY_SERIALIZER": "no_such.serializers.Verify"},
    "E103": {"USER_ID_FIELD": "no_such_field"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_alone(jwt_settings, fault):
    jwt_settings(SIMPLEJWT=FAULTS[fault])
    (message,) = found()
    assert (message.id, message.level) == (f"jwt_auth.{fault}", checks.ERROR)
    assert message.msg.endswith(".")
    assert message.hint


@pytest.mark.parametrize("sound", [None, {}, {"USER_ID_FIELD": "id", "AUTH_HEADER_TYPES": ("JWT",)}])
def test_a_sound_setting_passes(jwt_settings, sound):
    jwt_settings(SIMPLEJWT=sound)
    assert ids() == []


def test_other_faults_come_first(jwt_settings):
    jwt_settings(SIMPLEJWT={"NO_SUCH": 1}, LEEWAY=10)
    assert ids() == ["E004"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("tests.checks.test_simplejwt.FAULTS", "is not a serializer"),
        ("tests.checks.test_simplejwt.no_such", "can't be imported"),
        ("rest_framework_simplejwt.serializers.TokenVerifySerializer", "whose tokens this app does not accept"),
    ],
)
def test_a_serializer_that_can_not_be_used_is_e102(jwt_settings, path, problem):
    jwt_settings(SIMPLEJWT={"TOKEN_VERIFY_SERIALIZER": path})
    (message,) = found()
    assert message.id == "jwt_auth.E102"
    assert problem in message.msg
    jwt_settings(SIMPLEJWT={"TOKEN_VERIFY_SERIALIZER": f"{PLACE}.TokenVerifySerializer"})
    assert ids() == []


def test_a_field_that_names_several_users_is_e103(jwt_settings):
    jwt_settings(SIMPLEJWT={"USER_ID_FIELD": "password"})
    assert ids() == ["E103"]


@pytest.mark.parametrize("options", [None, {}, {"ACCEPT_UNTIL": None}])
def test_simple_jwt_that_nothing_reads_is_w100(settings, jwt_settings, options):
    settings.SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "LEEWAY": 5, "SIGNING_KEY": "hunter2", "NO_SUCH": 1}
    jwt_settings(SIMPLEJWT=options)
    (message,) = found()
    assert (message.id, message.level) == ("jwt_auth.W100", checks.WARNING)
    for name in ("ROTATE_REFRESH_TOKENS", "LEEWAY", "SIGNING_KEY"):
        assert f"{name}: {hint_for(name)}" in message.hint
    assert "BLACKLIST_AFTER_ROTATION" not in message.hint
    assert "hunter2" not in f"{message.msg}{message.hint}"


def test_simple_jwt_that_is_no_dict_is_w100_too(settings):
    settings.SIMPLE_JWT = "a string"
    assert ids() == ["W100"]


def test_simple_jwt_with_names_of_the_project_alone_passes(settings):
    settings.SIMPLE_JWT = {"AUTH_COOKIE": "access_token"}
    assert ids() == []
    settings.SIMPLE_JWT = {"AUTH_COOKIE": "access_token", "LEEWAY": 5}
    assert ids() == ["W100"]


def test_simple_jwt_beside_an_open_window_passes(settings, jwt_settings):
    settings.SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True}
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": date(2100, 1, 1)})
    assert "W100" not in ids()
