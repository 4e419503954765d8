"""
Untrusted text in the log and at the terminal of an operator: one line, printable, and not too long.

Each value goes through HTTP or into the database. Then the tests read the lines that a usual handler wrote, and those
that the commands printed.
"""

import io
import json
import logging

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError

from jwt_auth import clients, sessions
from jwt_auth.http.text import LONGEST
from jwt_auth.models import RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import revoke_session, revoke_user
from jwt_auth.sessions import Peer
from jwt_auth.signals import new_device_seen
from jwt_auth.views.metadata import TOKEN_EXCHANGE
from jwt_auth.views.serializers import ACCESS_TOKEN_URN
from tests.support import forge
from tests.support.browser import Browser
from tests.support.outages import outage

pytestmark = pytest.mark.django_db(transaction=True)  # signals are sent on commit

EVILS = {
    "an escape sequence": "\x1b[2J\x1b]0;gone\x07",
    "another record": "x\r\n1970-01-01 INFO jwt_auth: Session of root started.",
    "separators": "x\u2028INFO\u2029INFO",
    "bidi": "\u202enimda\u2066\u200f",
    "C1": "\x9b31m\x85\x90",
    "half a surrogate pair": "\udcff\ud800",
}
LONG = "\x1b" * 255

evil_texts = pytest.mark.parametrize("evil", [*EVILS.values(), LONG], ids=[*EVILS, "at the largest length"])


@pytest.fixture
def lines():
    """`lines()` returns the lines that a handler with a usual formatter has written for the logger of the app."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s | %(event)s"))
    records = []
    handler.addFilter(lambda record: records.append(record) or True)
    logger = logging.getLogger("jwt_auth")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)

    def check(*events):
        """Return the lines, each of which is one record; the records of `events` must be there."""
        assert {record.event for record in records} >= set(events)
        found = stream.getvalue().split("\n")[:-1]
        if not any(record.exc_info for record in records):
            assert len(found) == len(records)
        check_lines(found)
        for record in records:
            for name, value in vars(record).items():
                if isinstance(value, str) and name not in ("exc_text", "pathname", "msg"):
                    assert value.isprintable(), (name, value)
                    assert len(value) <= LONGEST + 100, name
        return found

    yield check
    logger.removeHandler(handler)
    logger.setLevel(level)


def check_lines(lines):
    for line in lines:
        assert line.isprintable(), line
        assert len(line) <= 4 * LONGEST


def as_sent(text):
    """Return `text` as a server passes the bytes of a header on: as if they were Latin-1."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


# Logs


@evil_texts
@pytest.mark.parametrize("header", ["HTTP_SEC_FETCH_SITE", "HTTP_ORIGIN", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR"])
@pytest.mark.parametrize("respell", [str, as_sent], ids=["as it is", "as bytes"])
def test_headers(user, lines, evil, header, respell):
    browser = Browser().sign_in(user)
    unknown = {"HTTP_SEC_FETCH_SITE": None, "HTTP_ORIGIN": None}
    answer = browser.send("logout/", {}, **{**unknown, header: respell(evil)})
    assert answer.status_code == 403
    assert browser.send("logout/", {}, HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN=respell(evil)).status_code == 403
    lines("csrf_refused")


@evil_texts
def test_headers_that_are_let_through(user, lines, jwt_settings, evil):
    jwt_settings(CSRF_MODE="log_only")
    browser = Browser().sign_in(user)
    answer = browser.send("logout/", {}, HTTP_SEC_FETCH_SITE=evil, HTTP_ORIGIN=None)
    assert answer.status_code == 204
    lines("csrf_let_through")


@evil_texts
def test_tokens_that_nobody_has_signed(client, pair, lines, evil):
    quoted = json.dumps(evil)
    for name in ("iss", "sub", "sid", "jti", "aud", "scope", "client_id"):
        client.get_me(forge.with_claims(pair["access_token"], **{name: quoted}))
        client.send("verify/", {"token": forge.with_claims(pair["access_token"], **{name: quoted})})
    for name in ("typ", "kid", "alg"):
        client.get_me(forge.with_header(pair["access_token"], **{name: quoted}))
    client.get_me(forge.with_claims(pair["access_token"], iss=json.dumps("x" * 5_000)))
    lines("token_refused")


@evil_texts
def test_the_body_of_an_exchange(client, pair, lines, evil):
    body = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": pair["access_token"],
        "subject_token_type": ACCESS_TOKEN_URN,
        "audience": "reports",
    }
    for name in ("grant_type", "audience", "scope", "subject_token", "client_id"):
        client.send("token/", {**body, name: evil.replace("\udcff\ud800", "\x1c") * 20})
    lines("exchange_refused")


@evil_texts
def test_the_reason_of_a_revocation(client, staff, user, lines, evil):
    evil = evil.replace("\udcff\ud800", "\x1c")  # which no body can have
    caller = client.bearer(client.tokens(staff)["access_token"])
    reason = evil[:255]
    assert caller.send("revoke/user/", {"user": str(user.pk), "reason": reason}).status_code == 200
    new = clients.add_secret(clients.register("reports", user))
    path = f"clients/{new.key.client.client_id}/revoke/"
    assert caller.send(path, {"reason": reason}).status_code == 200
    lines("user_revoked", "client_revoked")
    assert RevocationEvent.objects.filter(scope="user").get().reason == reason.strip()  # the record has what was said


def test_the_reason_in_a_call(user, lines, db):
    """The control: printable text of the usual length is in the log as it is."""
    reason = "sold, says Zoë" + "x" * 200
    revoke_user(user, reason=reason)
    assert reason in lines("user_revoked")[-1]


@pytest.mark.parametrize("path", ["%1b[2J", "a%0d%0aINFO%20x", "%e2%80%a8", "%c2%9b", "%ff", "x" * 10_000])
def test_paths(client, db, lines, path):
    client.bearer("x").get(f"/auth/clients/{path}/")
    lines("token_refused")


def test_an_outage_with_its_traceback(client, user, pair, lines):
    with outage(OperationalError("\x1b[2Jdown\u2028down" + "x" * 10_000)):
        assert client.refresh(pair["refresh_token"]).status_code == 503
        assert client.login(user).status_code == 503
    lines("unavailable")


def test_a_traceback_is_printable_and_keeps_its_lines(caplog):
    logger = logging.getLogger("jwt_auth")
    try:
        raise OperationalError("\x1b[2Jgone\nanother line")
    except OperationalError:
        logger.exception("Down.", extra={"event": "unavailable", **dict.fromkeys(FIELDS_OF_OUTAGE, None)})
    (record,) = caplog.records
    shown = logging.Formatter().format(record).split("\n")
    assert shown[:2] == ["Down.", "Traceback (most recent call last):"]
    assert shown[-2:] == [r"django.db.utils.OperationalError: \x1b[2Jgone", "another line"]


FIELDS_OF_OUTAGE = ("code", "reason", "ip_address", "path")


def test_records_of_the_project_on_the_same_logger_pass(caplog):
    logging.getLogger("jwt_auth").warning("%(a)s", {"a": 1})
    logging.getLogger("jwt_auth").warning("plain", extra={"event": "of the project"})
    assert [record.getMessage() for record in caplog.records] == ["1", "plain"]


# Terminals


@pytest.fixture
def hostile(user, evil):
    """Rows with an evil text in each column that has one, as if they were written without the app."""
    evil = evil.encode("utf-8", "replace").decode()  # no database can hold half of a surrogate pair
    pair = sessions.start(user, peer=Peer(user_agent=evil[:255]))
    UserSession.objects.update(label=evil[:100])
    key = clients.add_secret(clients.register("reports", user)).key
    RegisteredClient.objects.update(name=evil[:100], scopes=evil)
    get_user_model()._base_manager.filter(pk=user.pk).update(**{user.USERNAME_FIELD: evil[:100]})
    SigningKey.objects.create(
        kid=evil[:64], algorithm="ES256", public_jwk="{}", changed_at=UserSession.objects.get().started_at
    )
    return pair, key, evil


def shown_by(*arguments):
    """Run a command as a terminal does, and return all that it prints."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=out, no_color=True)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def check(text):
    assert text
    check_lines(text.split("\n"))


@evil_texts
def test_commands_show_nothing_else(user, hostile, evil):
    pair, key, stored = hostile
    client_id = key.client.client_id
    sid = str(pair.session_id)
    for arguments in [
        ("jwt_sessions", f"--user=pk:{user.pk}"),
        ("jwt_revoke", f"--user=pk:{user.pk}", "--dry-run"),
        ("jwt_revoke", f"--session={sid}", "--dry-run"),
        ("jwt_revoke", f"--user={evil}"),
        ("jwt_revoke", f"--session={evil}"),
        ("jwt_revoke", f"--token={evil}"),
        ("jwt_revoke", f"--user=pk:{user.pk}", "--yes", f"--reason={evil}"),
        ("jwt_client", "list"),
        ("jwt_client", "keys", client_id),
        ("jwt_client", "keys", evil),
        ("jwt_client", "create", f" {evil}", f"--user=pk:{user.pk}"),
        ("jwt_client", "create", "x", f"--user=pk:{user.pk}", f"--scopes={evil}"),
        ("jwt_client", "revoke", client_id, f"--kid={evil}", "--yes"),
        ("jwt_client", "revoke", client_id, "--yes"),
        ("jwt_client", "add-key", client_id, f"--public-key={evil.replace(chr(0xD800), '')}"),
        ("jwt_client", "rotate", client_id, "--overlap-hours=0"),
        ("jwt_client", "disable", client_id, "--yes"),
        ("jwt_keys", "list"),
        ("jwt_keys", "activate", evil, "--yes"),
        ("jwt_keys", "revoke", evil, "--emergency", "--yes"),
        ("jwt_keys", "revoke", stored[:64], "--emergency", "--yes"),
        ("jwt_inspect", pair.access_token),
        ("jwt_inspect", pair.refresh_token),
        ("jwt_inspect", evil),
        ("jwt_probe", evil, f"--user=pk:{user.pk}"),
    ]:
        check(shown_by(*arguments))


@evil_texts
def test_what_a_revoked_session_is_shown_with(user, hostile):
    pair, _, evil = hostile
    assert revoke_session(pair.session_id, reason=evil[:255])
    check(shown_by("jwt_sessions", f"--user=pk:{user.pk}", "--all"))
    check(shown_by("jwt_inspect", pair.access_token))


@evil_texts
def test_tokens_that_are_inspected(pair, evil):
    for name in ("iss", "sub", "sid", "jti", "aud", "scope"):
        check(shown_by("jwt_inspect", forge.with_claims(pair["access_token"], **{name: json.dumps(evil)})))
    for name in ("typ", "kid", "alg"):
        check(shown_by("jwt_inspect", forge.with_header(pair["access_token"], **{name: json.dumps(evil)})))
    check(shown_by("jwt_inspect", forge.with_claims(pair["access_token"], iss=json.dumps("x" * 5_000))))


# Mails


@evil_texts
def test_the_name_of_a_device_is_one_short_line(user, evil):
    """A receiver puts it into a mail."""
    told = []

    def tell(device, **kwargs):
        told.append(device)

    new_device_seen.connect(tell)
    try:
        agent = evil.encode("utf-8", "replace").decode()
        sessions.start(user, peer=Peer(user_agent=agent))
    finally:
        new_device_seen.disconnect(tell)
    (device,) = told
    assert device.isprintable()
    assert len(device) <= 100
