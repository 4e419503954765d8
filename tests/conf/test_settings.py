"""The `JWT_AUTH` setting: it is read once, follows override_settings, and wrong values are named."""

import subprocess
import sys
import textwrap
from dataclasses import FrozenInstanceError, fields
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.test import override_settings

from jwt_auth.conf import get_settings, settings as conf
from jwt_auth.conf.former import RULES
from jwt_auth.conf.rules import parse_rate
from jwt_auth.conf.settings import find_problems
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.keyring import configured

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def problems(**values):
    return [problem.id for problem in find_problems(values)]


def custom_claims(user, session):
    return {}


def test_nothing_needs_to_be_set(settings):
    settings.JWT_AUTH = {}
    assert get_settings() == conf.Settings(AUDIENCE="jwt_auth")
    del settings.JWT_AUTH
    assert conf.raw_settings() == {}


def test_the_audience_is_the_issuer_unless_it_is_set(jwt_settings):
    jwt_settings(ISSUER="https://auth.example")
    assert get_settings().AUDIENCE == "https://auth.example"
    jwt_settings(AUDIENCE="https://api.example")
    assert get_settings().AUDIENCE == "https://api.example"


def test_settings_are_read_once_and_frozen():
    assert get_settings() is get_settings()
    with pytest.raises(FrozenInstanceError):
        get_settings().ISSUER = "other"


def test_lists_become_tuples(jwt_settings):
    jwt_settings(SIGNING_KEY="a", SIGNING_KEY_FALLBACKS=["b"])
    assert get_settings().SIGNING_KEY_FALLBACKS == ("b",)


def test_override_settings_is_seen_by_modules_that_are_long_imported(client, user):
    before = configured.configured_keys().signing.kid
    pair = client.tokens(user)
    with override_settings(JWT_AUTH={"ALGORITHM": "HS512", "ISSUER": "other"}):
        assert configured.configured_keys().signing.kid != before
        assert client.get_me(pair["access_token"]).status_code == 401
    assert configured.configured_keys().signing.kid == before
    assert client.get_me(pair["access_token"]).status_code == 200


def test_a_new_secret_key_gives_new_keys():
    before = configured.configured_keys().signing.kid, configured.refresh_keys()
    with override_settings(SECRET_KEY="another secret key that is as long as the checks want"):
        assert configured.configured_keys().signing.kid != before[0]
        assert configured.refresh_keys() != before[1]
    assert (configured.configured_keys().signing.kid, configured.refresh_keys()) == before


def test_a_setting_of_somebody_else_drops_nothing(settings):
    before = get_settings()
    settings.STATIC_URL = "other/"
    assert get_settings() is before


@pytest.mark.parametrize("value", [None, [], "ISSUER", 1])
def test_the_setting_is_a_dict(settings, value):
    settings.JWT_AUTH = value
    with pytest.raises(ConfigurationError, match="E001"):
        get_settings()


def test_wrong_settings_raise_with_the_hint_and_are_asked_again_every_time(jwt_settings):
    jwt_settings(ISUER="other")
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            get_settings()
        assert str(caught.value) == """JWT_AUTH has no setting 'ISUER'. Did you mean "ISSUER"? (jwt_auth.E002)"""


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ISUER", "ISSUER"),
        ("issuer", "ISSUER"),
        ("ACCESS_TOKEN_LIFETIMES", "ACCESS_TOKEN_LIFETIME"),
        ("SIGNING_KEYS", "SIGNING_KEY"),
        ("ALGORITHMS", "ALGORITHM"),
        ("SESSION_IDLE_TIME", "SESSION_IDLE_TIMEOUT"),
    ],
)
def test_a_misspelt_name_suggests_the_nearest(name, meant):
    (problem,) = find_problems({name: "x"})
    assert (problem.id, problem.hint) == ("E002", f'Did you mean "{meant}"?')


@pytest.mark.parametrize("name", ["ZZZ", "", 5, None, ("a",)])
def test_a_name_like_no_other_lists_all(name):
    (problem,) = find_problems({name: "x"})
    assert problem.id == "E002"
    assert all(item.name in problem.hint for item in fields(conf.Settings))


@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "JWT_AUTH_HEADER_PREFIX", "JWT_EXPIRATION_DELTA"])
def test_names_of_djangorestframework_jwt_are_recognised(name):
    (problem,) = find_problems({name: "hunter2"})
    assert problem.id == "E003"
    assert "djangorestframework-jwt" in problem.message
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("name", sorted(RULES.keys() - {item.name for item in fields(conf.Settings)}))
def test_names_of_simplejwt_are_recognised_and_say_what_stands_in_their_place(name):
    (problem,) = find_problems({name: "hunter2"})
    assert problem.id == "E003"
    assert "djangorestframework-simplejwt" in problem.message
    place = RULES[name].place
    assert problem.hint == f"Use {place}. {RULES[name].reason}" if place else f"{RULES[name].reason} Remove it."
    assert "hunter2" not in str(problem)


NAIVE = datetime(2030, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None)

GOOD_AND_BAD = {
    "ISSUER": (["https://auth.example", "a" * 255], ["", "a b", "a\n", "é", "a" * 256, None, 1, b"a"]),
    "AUDIENCE": (["https://api.example"], ["", "a b", ["a"], None]),
    "ALGORITHM": (["HS256", "HS512"], ["hs256", "none", "", None, 1, ["HS256"], {}]),
    "SIGNING_KEY": ([None, "a.pem", b"a", Path("a"), {}], [1, ["a"], object()]),
    "SIGNING_KEY_FALLBACKS": ([[], ()], ["a", None, {"a": 1}, [1], [None], {"a"}]),
    "KEYS": (["settings"], ["", "Database", None, ["settings"]]),
    "ENCRYPTION_KEYS": (
        [None, ["A" * 43 + "="], (b"A" * 43 + b"=",), ["-_" + "A" * 41 + "=", "B" * 43 + "="]],
        [[], (), "A" * 43 + "=", ["A" * 44], ["A" * 42 + "="], ["A" * 43 + "=\n"], ["é" * 43 + "="], [None], [32]],
    ),
    "ACCESS_TOKEN_LIFETIME": ([MINUTE, DAY], [300, "5m", None, timedelta(seconds=9), DAY + MINUTE, -MINUTE]),
    "SESSION_IDLE_TIMEOUT": ([5 * MINUTE, 30 * DAY], [60, None, timedelta(seconds=59), 3651 * DAY]),
    "SESSION_MAX_TIMEOUT": ([None, 30 * DAY, 3650 * DAY], [60, timedelta(seconds=59), 3651 * DAY]),
    "SESSION_ABSOLUTE_TIMEOUT": ([14 * DAY, 3650 * DAY], [60, None, timedelta(seconds=59), 3651 * DAY]),
    "FORMER_TOKENS": (
        [{}, {"authtoken": date(2030, 1, 31)}, {"knox": datetime(2030, 1, 31, tzinfo=timezone.utc)}],
        [
            None,
            [],
            {"simplejwt": date(2030, 1, 31)},
            {"knox": None},
            {"knox": "2030"},
            {"knox": NAIVE},
            {"knox": date.max},
        ],
    ),
    "SESSION_EXCHANGE": ([None, "keep", "end", "tie"], ["", "off", True]),
    "SESSION_LIMIT": ([None, 1, 10_000], [0, -1, 1.0, True, "3"]),
    "ROTATION_GRACE_PERIOD": ([timedelta(0), MINUTE], [10, None, -MINUTE, timedelta(seconds=61)]),
    "LEEWAY": ([timedelta(0), MINUTE], [10, None, -MINUTE, timedelta(seconds=61)]),
    "TRUSTED_ISSUERS": ([{}, {"https://a.example": {}}], [None, [], "https://a.example", ["https://a.example"]]),
    "REVOCATION": (["database", "memory", "none"], ["Database", "", None, True, []]),
    "REVOCATION_MAX_STALENESS": ([timedelta(seconds=0.1), MINUTE], [1, None, timedelta(0), -MINUTE, 2 * MINUTE]),
    "REVOCATION_CACHE": ([None, "default"], ["", "nowhere", True, []]),
    "REVOCATION_PUSH": ([None, "redis://localhost/1", "unix:///tmp/s"], ["", "localhost:6379", b"redis://x", 1]),
    "REVOCATION_ON_STALE": (["deny", "allow_safe_methods"], ["allow", "", None, True]),
    "CLIENT_TOKEN_MAX_LIFETIME": (
        [timedelta(seconds=10), timedelta(minutes=5), timedelta(hours=1)],
        [timedelta(seconds=9), timedelta(seconds=3601), 300, None, "5"],
    ),
    "CLIENT_REPLAY_PROTECTION": (["off", "unsafe_methods", "all"], ["on", "", None, True, "OFF", ["all"]]),
    "REPLAY_CACHE": (["default", None], ["other", "", 1, True, ["default"]]),
    "VERIFIED_TOKEN_CACHE_SIZE": ([0, 4096, 1_000_000], [-1, 1_000_001, 1.0, True, None, "10"]),
    "USER_CUTOFF_FIELD": ([None, "tokens_valid_after"], ["", "a b", "a.b", 1]),
    "USER_ID_FIELD": (["pk", "uuid"], ["", "a b", None, 1]),
    "CLAIMS_CALLABLE": (
        [None, custom_claims, "tests.conf.test_settings.custom_claims"],
        ["", "json", "no.such.module", "json.no_such", "tests.conf.test_settings.MINUTE", ".x", 1, ["json.dumps"]],
    ),
    "SERVICE_AUDIENCES": ([{}], [None, [], "https://two.example", {"https://two.example": None}, {"": {}}]),
    "SERVICE_TOKEN_LIFETIME": (
        [timedelta(seconds=10), timedelta(minutes=5)],
        [60, None, timedelta(seconds=9), timedelta(seconds=301), -MINUTE],
    ),
    "BROWSER_ACCESS_TOKEN": (["cookie", "body"], ["Cookie", "header", "", None, ["body"]]),
    "COOKIE_ACCESS_NAME": (
        ["__Host-Http-shop_access", "__Host-access", "__Host-" + "a" * 100],
        ["", "__Host-", "__Host-Http-", "__Secure-access", "__host-access", "__Host-a b", "a=b", "a" * 101, None, 1],
    ),
    "COOKIE_REFRESH_NAME": (["__Host-Http-shop_refresh"], ["réfresh", "__Host-é", "__Host-a;b", None, b"__Host-a"]),
    "COOKIE_NAMES_WITHOUT_PREFIX": ([[], ()], ["refresh", None, ["__Host-a"], ["__Secure-a"], [""], ["a b"], [1]]),
    "COOKIE_SAMESITE": (["Strict", "Lax", "None"], ["strict", "", None, False, ["Lax"]]),
    "CSRF_MODE": (["fetch_metadata", "django", "log_only"], ["off", "", None, False, ["django"]]),
    "CLEAR_SITE_DATA": ([[], ("cache",), ["cache", "storage"]], [["cookies"], ["*"], "cache", None, [1], [[]]]),
    "ADMIN_ENDPOINTS_MAX_AGE": ([None, 5 * MINUTE, 30 * DAY], [300, timedelta(seconds=9), 31 * DAY, "5m"]),
    "ADMIN_ENDPOINTS_AMR": ([[], ("otp",), ["pwd", "mfa"]], ["otp", None, [""], ["a b"], ['"'], [1]]),
    "LOGIN_THROTTLE": (
        ["1/s", "10/min", "100/hour", "5/d", "7/second"],
        [
            "",
            "10",
            "10/",
            "/min",
            "0/min",
            "-1/min",
            "1.5/min",
            "a/min",
            "1/year",
            "²/min",
            11,
            None,
            "9" * 5000 + "/m",
        ],
    ),
    "SIMPLEJWT": ([None, {}, {"ACCEPT_UNTIL": None}], [True, "2030-01-31", ["ACCEPT_UNTIL"], ()]),
    "REALM": (["api", "", "my api"], ['a"b', "a\\b", "a\nb", "é", None, 1]),
}


def test_every_setting_is_in_the_table():
    assert set(GOOD_AND_BAD) == {item.name for item in fields(conf.Settings)}


GOOD = [(name, value) for name, (values, _) in GOOD_AND_BAD.items() for value in values]
BAD = [(name, value) for name, (_, values) in GOOD_AND_BAD.items() for value in values]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_taken(name, value):
    assert "E004" not in problems(**{name: value})
    assert not problems(**{name: value}) or name == "SIGNING_KEY_FALLBACKS"


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_e004_and_nothing_else(name, value):
    assert problems(**{name: value}) == ["E004"]


def test_a_value_is_shown_unless_it_may_be_a_key():
    (shown,) = find_problems({"REALM": 'a"b'})
    assert "'a\"b'" in shown.hint
    (hidden,) = find_problems({"SIGNING_KEY_FALLBACKS": "hunter2"})
    assert "hunter2" not in str(hidden)
    assert "str" in hidden.hint


def test_all_faults_are_named_at_once():
    assert problems(ISUER="a", JWT_SECRET_KEY="b", LEEWAY=1) == ["E002", "E003", "E004"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"SESSION_IDLE_TIMEOUT": 2 * DAY, "SESSION_ABSOLUTE_TIMEOUT": DAY}, ["E005"]),
        ({"SESSION_IDLE_TIMEOUT": DAY, "SESSION_ABSOLUTE_TIMEOUT": DAY}, []),
        ({"SESSION_MAX_TIMEOUT": 29 * DAY}, ["E029"]),
        ({"ACCESS_TOKEN_LIFETIME": 2 * MINUTE, "SESSION_IDLE_TIMEOUT": MINUTE}, ["E006"]),
        ({"ACCESS_TOKEN_LIFETIME": MINUTE, "SESSION_IDLE_TIMEOUT": MINUTE}, []),
        ({"ALGORITHM": "ES256"}, ["E007"]),
        ({"ALGORITHM": "ES256", "SIGNING_KEY": "key.pem"}, []),
        ({"SIGNING_KEY_FALLBACKS": ["key.pem"]}, ["E008"]),
        ({"SIGNING_KEY_FALLBACKS": ["key.pem"], "SIGNING_KEY": "key.pem"}, []),
        ({"ALGORITHM": "ES256", "SIGNING_KEY_FALLBACKS": ["a"], "UNKNOWN_NAME_OF_ALL": 1}, ["E002", "E007", "E008"]),
        ({"ALGORITHM": "ES256", "LEEWAY": 1}, ["E004"]),
        ({"COOKIE_ACCESS_NAME": "access"}, ["E047"]),
        ({"COOKIE_REFRESH_NAME": "refresh", "COOKIE_NAMES_WITHOUT_PREFIX": ["refresh"]}, []),
        ({"COOKIE_ACCESS_NAME": "a", "COOKIE_REFRESH_NAME": "r", "COOKIE_NAMES_WITHOUT_PREFIX": ["r"]}, ["E047"]),
        ({"COOKIE_NAMES_WITHOUT_PREFIX": ["refresh"]}, ["E048"]),
        ({"COOKIE_NAMES_WITHOUT_PREFIX": ["Http-access"]}, ["E048"]),
        ({"COOKIE_REFRESH_NAME": "access", "COOKIE_NAMES_WITHOUT_PREFIX": ["access"]}, ["E041"]),
    ],
)
def test_settings_that_contradict_each_other_are_named(values, expected):
    assert problems(**values) == expected


def test_a_rate_is_requests_and_seconds():
    assert [parse_rate(rate) for rate in ("3/s", "10/min")] == [(3, 1), (10, 60)]
    assert [parse_rate(rate) for rate in ("5/hour", "1/d")] == [(5, 3600), (1, 86400)]
    assert [parse_rate(rate) for rate in ("1/second", "1/minutes", "1/days")] == [(1, 1), (1, 60), (1, 86400)]


@pytest.mark.parametrize("period", ["month", "millisecond", "", "decade", "M"])
def test_a_period_of_another_length_is_no_rate(period):
    """For DRF, whose rates these are, "5/month" is five per minute."""
    assert problems(LOGIN_THROTTLE=f"5/{period}") == ["E004"]


def run(code):
    """Run `code` in a new interpreter that has no settings module."""
    source = "from django.conf import settings\n" + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", source], check=False, capture_output=True, text=True, env={})


def test_importing_writes_nothing_into_the_settings_of_the_project():
    done = run("""
        apps = ["django.contrib.auth", "django.contrib.contenttypes", "jwt_auth"]
        settings.configure(INSTALLED_APPS=apps, SECRET_KEY="k" * 50, USE_TZ=True)
        before = dict(vars(settings._wrapped))
        import django
        django.setup()
        import jwt_auth.urls, jwt_auth.checks, jwt_auth.throttling, jwt_auth.responses
        from jwt_auth.conf import get_settings
        get_settings()
        assert dict(vars(settings._wrapped)) == before, set(vars(settings._wrapped)) ^ set(before)
        assert not hasattr(settings, "JWT_AUTH")
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    [
        *("authentication", "conf", "claims", "exceptions", "jose.encoding", "jose.jwk", "jose.tokens", "signals"),
        "contrib.simplejwt.authentication",
    ],
)
def test_what_is_named_in_settings_can_be_imported_before_the_apps_are_ready(module):
    done = run(f"""
        settings.configure()
        import jwt_auth.{module}
    """)
    assert done.returncode == 0, done.stderr


def test_the_cutoff_field_can_be_used_by_models_of_a_project_without_the_app():
    done = run("""
        settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
        import django
        django.setup()
        from jwt_auth.base_models import TokenCutoffField, TokensValidAfterMixin
        assert TokensValidAfterMixin._meta.abstract
    """)
    assert done.returncode == 0, done.stderr
