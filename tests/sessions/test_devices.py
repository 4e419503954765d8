"""Names of devices, with and without the parser."""

import sys

import pytest
import ua_parser

from jwt_auth.sessions import devices
from tests.support.user_agents import FIREFOX, NEWER_FIREFOX, SAFARI


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (NEWER_FIREFOX, "Firefox on Linux"),
        (SAFARI, "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("something of our own", "something of our own"),
        ("", ""),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_device_is_named_by_its_program_and_system(user_agent, name):
    assert devices.name_of(user_agent) == name


@pytest.fixture
def no_parser(monkeypatch):
    """Make the optional parser unavailable."""
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    devices._parser.cache_clear()
    yield
    devices._parser.cache_clear()


def test_without_the_parser_the_header_is_the_name(no_parser):
    assert devices.name_of(FIREFOX) == FIREFOX


def test_each_header_is_parsed_once(monkeypatch):
    parsed, parse = [], ua_parser.parse
    monkeypatch.setattr(ua_parser, "parse", lambda text: parsed.append(text) or parse("curl/8.5.0"))
    assert {devices.name_of("a header that no other test has") for _ in range(3)} == {"curl"}
    assert parsed == ["a header that no other test has"]


def device_of(client, user):
    """Return the device and User-Agent of the first session in the user's list."""
    pair = client.tokens(user)
    (row,) = client.bearer(pair["access_token"]).get("/auth/sessions/").json()["results"]
    return row["device"], row["user_agent"]


def test_the_list_of_sessions_names_the_devices(client, user):
    client.defaults["HTTP_USER_AGENT"] = FIREFOX
    assert device_of(client, user) == ("Firefox on Linux", FIREFOX)


def test_without_the_parser_the_list_has_the_header(client, user, no_parser):
    client.defaults["HTTP_USER_AGENT"] = FIREFOX
    assert device_of(client, user) == (FIREFOX, FIREFOX)


def test_a_client_without_a_header_has_no_device(client, user):
    assert device_of(client, user) == ("", "")
