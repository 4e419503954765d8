"""The options of SIMPLEJWT: each wrong value is named, and each setting of simplejwt has a place."""

import re
from dataclasses import fields
from datetime import date, datetime, timezone

import pytest
from rest_framework_simplejwt.settings import DEFAULTS

from jwt_auth.conf.former import RULES
from jwt_auth.conf.settings import Settings
from jwt_auth.conf.simplejwt import SimpleJWT, find_simplejwt_problems, simplejwt
from jwt_auth.exceptions import ConfigurationError

UTC = timezone.utc


def anybody(user):
    return True


GOOD_AND_BAD = {
    "ACCEPT_UNTIL": (
        [None, date(2030, 1, 31), datetime(2030, 1, 31, tzinfo=UTC)],
        ["2030-01-31", 1, date.max, datetime(2030, 1, 31)],  # noqa: DTZ001  # naive, which is the fault
    ),
    "AUTH_HEADER_TYPES": ([("Bearer",), ["Bearer", "JWT"]], [[], ["Bearer "], ["é"], [""], [1], None]),
    "AUTH_HEADER_NAME": (["HTTP_AUTHORIZATION", "HTTP_X_TOKEN"], ["Authorization", "X-Token", "", None, 1]),
    "USER_ID_FIELD": (["pk", "id"], ["", "a b", None]),
    "USER_ID_CLAIM": (["user_id", "sub", "https://a.example/id"], ["", "a\n", None, 1]),
    "TOKEN_TYPE_CLAIM": (["token_type", None], ["", "a\0", 1]),
    "USER_AUTHENTICATION_RULE": ([None, anybody, "tests.conf.test_simplejwt.anybody"], ["no.such.rule", "", 1]),
    "TOKEN_OBTAIN_SERIALIZER": (["accounts.serializers.SignIn"], ["SignIn", None, SimpleJWT]),
    "TOKEN_REFRESH_SERIALIZER": (["accounts.serializers.Refresh"], ["", None]),
    "TOKEN_VERIFY_SERIALIZER": (["accounts.serializers.Verify"], ["", None]),
    "TOKEN_BLACKLIST_SERIALIZER": (["accounts.serializers.End"], ["", None]),
}


def ids(jwt_settings, **values):
    jwt_settings(SIMPLEJWT=values)
    return [problem.id for problem in find_simplejwt_problems()]


def test_every_option_is_in_the_table():
    assert set(GOOD_AND_BAD) == {item.name for item in fields(SimpleJWT)}


GOOD = [(name, value) for name, (values, _) in GOOD_AND_BAD.items() for value in values]
BAD = [(name, value) for name, (_, values) in GOOD_AND_BAD.items() for value in values]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_taken(jwt_settings, name, value):
    assert ids(jwt_settings, **{name: value}) == []
    assert simplejwt() is not None


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_e101(jwt_settings, name, value):
    assert ids(jwt_settings, **{name: value}) == ["E101"]
    with pytest.raises(ConfigurationError, match="E101"):
        simplejwt()


def test_a_misspelt_option_suggests_the_nearest(jwt_settings):
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTILL": None})
    (problem,) = find_simplejwt_problems()
    assert (problem.id, problem.hint) == ("E100", 'Did you mean "ACCEPT_UNTIL"?')


@pytest.mark.parametrize("name", sorted(RULES.keys() - GOOD_AND_BAD.keys()))
def test_a_setting_of_simplejwt_that_is_no_option_says_what_has_its_place(jwt_settings, name):
    jwt_settings(SIMPLEJWT={name: "hunter2"})
    (problem,) = find_simplejwt_problems()
    assert problem.id == "E100"
    assert RULES[name].reason in problem.hint
    assert "hunter2" not in str(problem)


def test_every_setting_of_simplejwt_has_a_place():
    assert RULES.keys() == DEFAULTS.keys()


def test_a_place_in_our_settings_exists():
    places = [rule.place for rule in RULES.values() if rule.place]
    named = {name for place in places for name in re.findall(r'"(\w+)"', place)}
    assert len(places) > 10
    assert named <= {item.name for item in fields(Settings)} | GOOD_AND_BAD.keys()


def test_a_date_counts_as_a_whole(jwt_settings):
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": date(2030, 1, 31), "AUTH_HEADER_TYPES": ["JWT"]})
    options = simplejwt()
    assert options == SimpleJWT(ACCEPT_UNTIL=datetime(2030, 2, 1, tzinfo=UTC), AUTH_HEADER_TYPES=("JWT",))
    assert options.accepts_former_tokens(datetime(2030, 1, 31, 23, 59, tzinfo=UTC))
    assert not options.accepts_former_tokens(datetime(2030, 2, 1, tzinfo=UTC))
    assert not SimpleJWT().accepts_former_tokens(datetime(2030, 1, 1, tzinfo=UTC))


def test_one_header_type_may_be_a_string(jwt_settings):
    """As in simplejwt."""
    jwt_settings(SIMPLEJWT={"AUTH_HEADER_TYPES": "JWT"})
    assert list(find_simplejwt_problems()) == []
    assert simplejwt() == SimpleJWT(AUTH_HEADER_TYPES=("JWT",))
