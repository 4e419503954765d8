"""SERVICE_AUDIENCES is read into one value for each other server."""

from datetime import timedelta

import pytest

from jwt_auth.conf import get_settings
from jwt_auth.conf.audiences import ServiceAudience, parse_audiences
from jwt_auth.conf.settings import find_problems

TWO = "https://two.example.com"


def test_an_audience_without_a_word_is_for_nobody():
    (audience,) = parse_audiences({TWO: {}}, timedelta(seconds=90)).values()
    assert audience == ServiceAudience(name=TWO, lifetime=timedelta(seconds=90))
    assert audience.scopes_for(None) is audience.scopes_for("client_7") is None


def test_users_and_clients_have_scopes_of_their_own():
    raw = {"USERS": ["read"], "CLIENTS": {"client_7": ("read", "write"), "client_8": ["write"]}, "ONE_TIME": True}
    audience = parse_audiences({TWO: {**raw, "LIFETIME": timedelta(seconds=30)}}, timedelta(seconds=90))[TWO]
    assert audience.scopes_for(None) == {"read"}
    assert audience.scopes_for("client_7") == {"read", "write"}
    assert audience.scopes_for("client_8") == {"write"}
    assert audience.scopes_for("client_9") is None
    assert (audience.lifetime, audience.one_time) == (timedelta(seconds=30), True)


def test_the_common_lifetime_is_that_of_the_settings(jwt_settings, ec_settings):
    jwt_settings(**ec_settings, SERVICE_AUDIENCES={TWO: {}}, SERVICE_TOKEN_LIFETIME=timedelta(seconds=77))
    assert get_settings().SERVICE_AUDIENCES[TWO].lifetime == timedelta(seconds=77)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (None, "must be a dict of audiences"),
        ([TWO], "must be a dict of audiences"),
        ({"": {}}, "has the audience '', which"),
        ({"two words": {}}, "has the audience 'two words', which"),
        ({"\u00e9": {}}, "which is not a string of printable ASCII"),
        ({7: {}}, "has the audience 7, which"),
        ({TWO: None}, f"['{TWO}'] must be a dict of USERS, CLIENTS"),
        ({TWO: {"SCOPES": []}}, f"['{TWO}'] must be a dict of USERS, CLIENTS"),
        ({TWO: {"USERS": "read"}}, f"""['{TWO}']["USERS"] must be a list of at least one scope"""),
        ({TWO: {"USERS": ["read write"]}}, f"""['{TWO}']["USERS"] must be a list of at least one scope"""),
        ({TWO: {"USERS": [7]}}, f"""['{TWO}']["USERS"] must be a list of at least one scope"""),
        ({TWO: {"USERS": []}}, f"""['{TWO}']["USERS"] must be a list of at least one scope"""),
        ({TWO: {"CLIENTS": {"client_7": []}}}, f"""['{TWO}']["CLIENTS"]['client_7'] must be a list of at least"""),
        ({TWO: {"CLIENTS": ["client_7"]}}, f"""['{TWO}']["CLIENTS"] must be a dict"""),
        ({TWO: {"CLIENTS": {7: []}}}, f"""['{TWO}']["CLIENTS"] must be a dict"""),
        ({TWO: {"CLIENTS": {"client_7": None}}}, f"""['{TWO}']["CLIENTS"]['client_7'] must be a list of at least"""),
        ({TWO: {"LIFETIME": 60}}, f"""['{TWO}']["LIFETIME"] must be a timedelta between 0:00:10 and 0:05:00"""),
        ({TWO: {"LIFETIME": timedelta(seconds=301)}}, f"""['{TWO}']["LIFETIME"] must be a timedelta between"""),
        ({TWO: {"LIFETIME": timedelta(seconds=9)}}, f"""['{TWO}']["LIFETIME"] must be a timedelta between"""),
        ({TWO: {"ONE_TIME": 1}}, f"""['{TWO}']["ONE_TIME"] must be True or False"""),
    ],
)
def test_a_fault_is_named_with_its_place(raw, said):
    (problem,) = find_problems({"SERVICE_AUDIENCES": raw})
    assert problem.id == "E004"
    assert problem.message.startswith('JWT_AUTH["SERVICE_AUDIENCES"]')
    assert said in problem.message


def test_lifetimes_at_the_bounds_are_fine():
    for seconds in (10, 300):
        parse_audiences({TWO: {"LIFETIME": timedelta(seconds=seconds)}}, timedelta(seconds=120))


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"ALGORITHM": "HS256", "SIGNING_KEY": None}, ["E085"]),
        ({"SERVICE_AUDIENCES": {"https://one.example.com": {}}}, ["E086"]),
        ({"SERVICE_AUDIENCES": {"one": {}}, "AUDIENCE": "one"}, ["E086"]),
        ({"REVOCATION": "none"}, ["E087"]),
        ({"SERVICE_AUDIENCES": {}, "ALGORITHM": "HS256", "SIGNING_KEY": None, "REVOCATION": "none"}, []),
    ],
)
def test_settings_that_go_with_no_audience(ec_settings, changes, faults):
    settings = {"ISSUER": "https://one.example.com", **ec_settings, "SERVICE_AUDIENCES": {TWO: {}}, **changes}
    assert [problem.id for problem in find_problems(settings)] == faults
