"""
Values under a right signature that a database, or arithmetic with times, refuses.

A leaked key, another release or another issuer can sign any value. Each is judged where it comes in: it is refused with
the code for a bad token, and never reaches a query, also not one of the project.
"""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test.utils import isolate_apps

from example_project.notes.models import Note
from jwt_auth import service_tokens, sessions
from jwt_auth.jose.tokens import encode
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import operations, revoke_client, revoke_user
from jwt_auth.user_model import read_key
from tests.support import forge
from tests.support.entry_points import assert_refused_everywhere
from tests.support.outages import outage

END = "253402300799"
KEY = get_user_model()._meta.pk
HAS_NUMBERS = isinstance(KEY, models.IntegerField)

MODES = {
    "database": {"REVOCATION": "database"},
    "memory": {"REVOCATION": "memory", "REVOCATION_MAX_STALENESS": timedelta(seconds=60)},
}


@pytest.fixture(params=MODES)
def mode(request, jwt_settings):
    jwt_settings(**MODES[request.param])
    return request.param


@pytest.fixture
def in_memory(jwt_settings):
    jwt_settings(**MODES["memory"])


REQUESTS = [
    ("get", "/auth/me/"),
    ("get", "/auth/sessions/"),
    ("delete", "/auth/sessions/"),
    ("delete", f"/auth/sessions/{UUID(int=1)}/"),
    ("post", "/auth/logout/all/"),
    ("get", "/api/notes/"),
    ("post", "/api/notes/"),
    ("post", "/auth/revoke/user/"),
    ("get", "/auth/clients/"),
]


def ask_everything(client, raw, but=None):
    for method, path in (each for each in REQUESTS if each != but):
        body = {"text": "mine"} if path.endswith("notes/") else {}
        yield path, client.bearer(raw).send(path, body, method) if method != "get" else client.bearer(raw).get(path)


# Keys of users


NOBODIES = {
    "one more than 64 bits hold": str(2**63),
    "two to the 64th": str(2**64),
    "250 digits": "9" * 250,
    "one less than 64 bits hold": str(-(2**63) - 1),
    "a fraction": "1.5",
    "an exponent": "1e308",
    "minus zero": "-0",
    "digits of another script": "\u0661\u0662",
    "a UUID in capitals": "ABCDEF01-2345-4789-8ABC-DEF012345671",
    "not a number": "nan",
    "infinite": "inf",
    "the end of time": "9999-12-31 23:59:59.999999",
}


@pytest.mark.parametrize("sub", NOBODIES.values(), ids=list(NOBODIES))
def test_a_sub_that_no_row_can_have_is_refused_by_every_view(client, pair, mode, sub):
    raw = forge.with_claims(pair["access_token"], sub=json.dumps(sub))
    for path, answer in ask_everything(client, raw):
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), path


def test_the_largest_key_that_a_row_can_have_is_no_error_either(client, pair, mode):
    """The key of no user, but the project's own queries may be asked with it."""
    nobody = str(UUID(int=1))
    if HAS_NUMBERS:
        nobody = str(connection.ops.integer_field_range(KEY.get_internal_type())[1])
    raw = forge.with_claims(pair["access_token"], sub=json.dumps(nobody))
    for path, answer in ask_everything(client, raw, but=("post", "/api/notes/")):  # nobody's notes: no such foreign key
        assert answer.status_code < 500, path


def test_the_sub_of_the_user_is_taken(client, pair, mode):
    """The control."""
    statuses = [(path, answer.status_code) for path, answer in ask_everything(client, pair["access_token"])]
    assert statuses[:3] == [("/auth/me/", 200), ("/auth/sessions/", 200), ("/auth/sessions/", 204)]


@pytest.mark.usefixtures("in_memory")
def test_a_key_that_can_be_none_costs_no_query(client, pair, queries):
    raw = forge.with_claims(pair["access_token"], sub=json.dumps(str(2**63)))
    assert client.get_me(pair["access_token"]).status_code == 200
    with queries:
        assert client.get_me(raw).status_code == 401
    assert len(queries) == 0


def fields():
    class Choosy(models.BigIntegerField):
        def to_python(self, value):
            raise TypeError("no")

    class Parent(models.Model):
        number = models.SmallAutoField(primary_key=True)

        class Meta:
            app_label = "jwt_auth"

        def __str__(self):
            return str(self.number)

    class Child(Parent):
        class Meta:
            app_label = "jwt_auth"

        def __str__(self):
            return str(self.number)

    yield from [
        (models.AutoField(), ["1", "-1"], [str(2**63), "x", ""]),
        (models.BigAutoField(), ["1", str(2**63 - 1)], [str(2**63)]),
        (models.PositiveBigIntegerField(), ["0"], ["-1", str(2**64)]),
        (models.CharField(max_length=5), ["abcde", " "], ["abcdef", "a\0", "\udcff", "a\n"]),
        (models.CharField(), ["x" * 255], ["\x1b"]),
        (models.SlugField(max_length=5, validators=[models.fields.validators.EmailValidator()]), ["abc"], ["abcdef"]),
        (models.UUIDField(), [str(UUID(int=1))], ["1", "x"]),
        (models.DecimalField(max_digits=4, decimal_places=2), ["1.25"], ["100.25", "1.255", "NaN", "Infinity", "1e9"]),
        (models.FloatField(), ["1.5", "1e+300"], ["nan", "inf", "1e400", "x"]),
        (models.DateTimeField(), ["2026-05-17 12:00:00+00:00"], ["x", "10000-01-01 00:00:00", "2026-13-01 00:00:00"]),
        (models.DateField(), ["2026-05-17"], ["2026-02-30"]),
        (models.GenericIPAddressField(), ["192.0.2.1"], ["x"]),
        (models.BooleanField(), ["True"], ["x"]),
        (models.DurationField(), ["1:00:00"], ["x", "9" * 30]),
        (Choosy(), [], ["1"]),
        (Child._meta.pk, ["1"], [str(2**63)]),
    ]


@isolate_apps("jwt_auth")
def test_for_every_type_of_key_what_no_row_can_have_is_none():
    for field, good, bad in fields():
        assert [text for text in good if read_key(field, text) is None] == [], field
        assert [text for text in bad if read_key(field, text) is not None] == [], field


def test_what_is_taken_for_a_decimal_is_the_decimal():
    assert read_key(models.DecimalField(max_digits=4, decimal_places=2), "1.25") == Decimal("1.25")


@pytest.mark.skipif(not HAS_NUMBERS, reason="the user model has no number for a key")
def test_the_limits_are_those_of_the_column(db):
    low, high = connection.ops.integer_field_range(KEY.get_internal_type())
    for number in (low, high):
        assert read_key(KEY, str(number)) == number
        assert not Note.objects.filter(owner=number).exists()
    for number in (low - 1, high + 1):
        assert read_key(KEY, str(number)) is None


@pytest.mark.parametrize("text", [*NOBODIES.values(), "\0", "\udcff", "x\x1b[2J", "9" * 5_000])
def test_a_command_says_that_there_is_no_such_user(db, text):
    for command in ("jwt_sessions", "jwt_revoke"):
        for name in (text, f"pk:{text}"):
            with pytest.raises(CommandError, match="There is no user"):
                call_command(command, f"--user={name}")


# Ids of sessions


SIDS = {
    "capitals": str.upper,
    "dashes": lambda sid: str(UUID(hex=sid)),
    "a space": lambda sid: sid + " ",
    "too short": lambda sid: sid[:-1],
    "too long": lambda sid: sid + "0",
    "fullwidth": lambda sid: sid[:-1] + "\uff11",
    "a word": lambda sid: "session",
}


@pytest.mark.parametrize("respell", SIDS.values(), ids=list(SIDS))
@pytest.mark.parametrize("revocation", ["database", "memory", "none"])
def test_a_sid_in_another_spelling_is_refused_and_escapes_no_denylist(client, pair, jwt_settings, revocation, respell):
    sid = UserSession.objects.get().sid
    jwt_settings(**MODES.get(revocation, {"REVOCATION": "none"}))
    raw = forge.with_claims(pair["access_token"], sid=json.dumps(respell(sid)))
    assert client.get_me(raw).status_code == 401
    assert client.get_me(pair["access_token"]).status_code == 200


@pytest.mark.usefixtures("in_memory")
def test_nor_by_the_last_known_revocations(client, pair, jwt_settings, ticks):
    jwt_settings(REVOCATION_ON_STALE="allow_safe_methods")
    assert client.get_me(pair["access_token"]).status_code == 200
    ticks.now += 3_600
    raw = forge.with_claims(pair["access_token"], sid='"session"')
    with outage():
        assert client.send("verify/", {"token": pair["access_token"]}).status_code == 503
        assert client.bearer(raw).get("/auth/sessions/").status_code == 401


# Headers


@pytest.mark.parametrize("name", ["typ", "kid", "alg"])
@pytest.mark.parametrize("value", ["null", "1", "true", "[]", "{}"])
def test_a_header_parameter_that_is_no_text_is_not_absent(client, pair, name, value):
    assert_refused_everywhere(client, forge.with_header(pair["access_token"], **{name: value}))


@pytest.mark.urls("tests.client_urls")
@pytest.mark.parametrize("name", ["typ", "kid"])
def test_also_for_clients_whose_tokens_need_no_type(client, api, mode, name):
    """RFC 7523 requires none. An absent one is the control."""
    good = api.token(header={"typ": None})
    assert client.bearer(good).get("/who/").status_code == 200
    secret = api.signing.encode()
    header = forge.document(forge.header_of(good), **{name: "null"})
    raw = forge.sign(header, forge.unb64(good.split(".")[1]), secret)
    assert client.bearer(raw).get("/who/").status_code == 401


# Times


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize("value", [END, "253402300799.999999", "253402128000", "1e308", "1e999", "-1", "9" * 4_000])
def test_a_time_at_the_end_of_time_is_refused_everywhere(client, pair, claim, value):
    assert_refused_everywhere(client, forge.with_claims(pair["access_token"], **{claim: value}))


def test_the_zero_that_is_negative_is_zero(client, pair):
    assert client.get_me(forge.with_claims(pair["access_token"], nbf="-0.0")).status_code == 200


@pytest.mark.parametrize(("end", "revoked"), [(253402300799, False), (253402127999, True)])
def test_a_token_for_another_server_that_ends_there_is_no_error(client, user, jwt_settings, ec_settings, end, revoked):
    jwt_settings(**ec_settings, SERVICE_AUDIENCES={"reports": {"USERS": ["read"]}})
    claims = forge.claims_of(service_tokens.issue(user, "reports", "read").access_token)
    raw = encode({**claims, "exp": end}, own_keys().signing, "at+jwt")
    assert client.send("revoke/", {"token": raw}).status_code == 200
    assert RevocationEvent.objects.filter(scope="token").exists() is revoked


@pytest.fixture
def cut_off_forever(user):
    """A project has saved the last moment that a datetime can hold."""
    forever = datetime.max.replace(tzinfo=timezone.utc)
    operations.cutoffs.write(user.pk, forever)
    return forever


@pytest.mark.urls("tests.client_urls")
def test_a_cutoff_at_the_end_of_time_refuses_and_breaks_nothing(client, api, user, cut_off_forever, mode):
    assert client.bearer(api.token()).get("/who/").status_code == 401
    assert client.login(user).status_code == 200
    raw = sessions.start(user).access_token
    assert client.get_me(raw).status_code == 401
    assert revoke_user(user).tokens_valid_after == cut_off_forever


def test_the_cutoff_of_a_client_at_the_end_of_time_stays(api):
    type(api.row).objects.filter(pk=api.row.pk).update(tokens_valid_after=datetime.max.replace(tzinfo=timezone.utc))
    assert revoke_client(api.row).year == 9999


@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=timezone.utc), datetime(9999, 12, 31, tzinfo=timezone.utc)])
def test_a_cutoff_in_the_future_is_refused(user, at):
    with pytest.raises(ValueError, match="in the future"):
        revoke_user(user, at=at)
    assert revoke_user(user, at=datetime.min.replace(tzinfo=timezone.utc) + timedelta(days=2)).sessions_revoked == 0


MOMENTS = [
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59+14:00",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00-14:00",
    "0001-01-01T00:00:00",
    "10000-01-01T00:00:00Z",
    253402300799,
    1e308,
    True,
    None,
    [],
]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_end_of_a_clients_key_is_a_time_that_every_zone_has(client, staff, user, api, settings, moment, zone):
    settings.TIME_ZONE = zone
    caller = client.bearer(client.tokens(staff)["access_token"])
    path = f"clients/{api.row.client_id}/keys/"
    answer = caller.send(path, {"alg": "HS256", "expires_at": moment})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    body = {"alg": "HS256", "expires_at": "9999-12-29T23:59:59Z"}
    added = caller.send(path, body)
    assert added.status_code == 201
    assert caller.get(f"/auth/{path}").status_code == 200
    rotated = caller.send(f"{path}{added.json()['kid']}/rotate/", {"overlap": 0, "expires_at": moment})
    assert (rotated.status_code, rotated.json()["code"]) == (400, "invalid_request")


FIELDS = ("9999-12-31", "23:59:59"), ("9999-12-31", "00:00:00"), ("0001-01-01", "00:00:00"), ("10000-01-01", "00:00:00")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(("day", "hour"), FIELDS)
def test_the_form_for_a_clients_key_says_that_the_end_is_none(api, staff, settings, client, day, hour, zone):
    settings.TIME_ZONE = zone
    client.force_login(staff)
    path = f"/admin/jwt_auth/registeredclient/{api.row.pk}/keys/add/"
    answer = client.post(path, {"kind": "secret", "expires_at": f"{day}T{hour}"})
    assert answer.status_code == 200
    assert api.row.keys.count() == 1


# Numbers in addresses


@pytest.mark.parametrize("page", ["0", "-1", "9" * 30, "9" * 5_000, "1e9", "1.5", "x", "%00", "NaN", " "])
def test_a_page_that_is_none_is_not_found(client, staff, clock, page):
    caller = client.bearer(client.tokens(staff)["access_token"])
    assert caller.get(f"/auth/clients/?page={page}").status_code == 404
    assert caller.get("/auth/clients/?page=1").status_code == 200


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**250, 10**4_000, 1e308, -0.0, True, [], {}, "\u0661", "1\0"])
@pytest.mark.parametrize(("path", "more"), [("revoke/user/", {}), ("clients/", {"client_name": "x"})])
def test_a_user_that_is_none_is_not_found_or_a_bad_request(client, staff, clock, path, more, value):
    caller = client.bearer(client.tokens(staff)["access_token"])
    assert caller.send(path, {**more, "user": value}).status_code in (400, 404)
    assert caller.send(path, {**more, "user": str(staff.pk)}).status_code in (200, 201)


@pytest.mark.parametrize("value", [str(2**63), "9" * 255, "\u0661", "-0", "1e308"])
def test_a_subject_that_is_none_is_not_found(client, staff, clock, value):
    caller = client.bearer(client.tokens(staff)["access_token"])
    assert caller.send("revoke/global/", {"sub_id": {"format": "opaque", "id": value}}).status_code == 404
    known = {"sub_id": {"format": "opaque", "id": str(staff.pk)}}
    assert caller.send("revoke/global/", known).status_code == 204


@pytest.mark.parametrize(
    "client_id", [f"client_{'0' * 32}", "client_" + "9" * 5_000, "1", "%00", "%ff", "client_\u0661"]
)
def test_a_client_that_is_none_is_not_found(client, staff, clock, client_id):
    caller = client.bearer(client.tokens(staff)["access_token"])
    for method, more in (("get", ""), ("delete", ""), ("get", "keys/"), ("delete", f"keys/{'9' * 300}/")):
        answer = getattr(caller, method)(f"/auth/clients/{client_id}/{more}")
        assert answer.status_code == 404, more


# Introspection


@pytest.mark.usefixtures("in_memory")
def test_introspection_asks_the_database_whatever_the_mode_is(client, staff, user, clock, queries):
    """A revocation by SQL, which writes no event, is the one that memory mode does not see."""
    pair, caller = client.tokens(user), client.bearer(client.tokens(staff)["access_token"])
    assert caller.send("introspect/", {"token": pair["access_token"]}).json()["active"] is True
    UserSession.objects.filter(user=user).update(revoked_at=datetime.now(timezone.utc))
    assert client.get_me(pair["access_token"]).status_code == 200  # the control
    with queries:
        assert caller.send("introspect/", {"token": pair["access_token"]}).json() == {"active": False}
    assert queries.of("jwt_auth_usersession") == 1


def test_many_audiences_are_no_trouble(client, pair):
    audiences = json.dumps([f"{i:x}" for i in range(900)])
    assert client.get_me(forge.with_claims(pair["access_token"], aud=audiences)).status_code == 401
    ours = json.dumps([*(f"{i:x}" for i in range(700)), "jwt_auth"])
    assert client.get_me(forge.with_claims(pair["access_token"], aud=ours)).status_code == 200


def test_an_empty_scope_names_none_and_is_no_sign_in(client, pair):
    raw = forge.with_claims(pair["access_token"], scope='""')
    assert client.bearer(raw).get("/auth/sessions/").json()["code"] == "insufficient_scope"
    assert client.bearer(pair["access_token"]).get("/auth/sessions/").status_code == 200
