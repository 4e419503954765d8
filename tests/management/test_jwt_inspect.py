"""`jwt_inspect`: it prints the verdict that a request would get, and the result of each check by itself."""

import re
from uuid import UUID

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from jwt_auth.management.commands.jwt_inspect import Command
from jwt_auth.management.inspection import inspect
from jwt_auth.models import UsedToken, UserSession
from jwt_auth.revocation import revoke_all, revoke_client, revoke_client_key, revoke_session, revoke_token, revoke_user
from jwt_auth.verification import verify
from tests.support import forge
from tests.support.api_clients import register
from tests.support.commands import look, run, type_in
from tests.support.keys import public_pem

pytestmark = pytest.mark.usefixtures("clock")

OF_SESSION = [
    *("session found", "user of the session", "token not denied", "session not revoked"),
    *("user active", "after the cutoffs", "same password", "session not over"),
]
ACCESS = ["form", "issuer", "key", "kind and signature", "audience and times", *OF_SESSION]
REFRESH = ["signature", *OF_SESSION, "not used before"]


def lines(text, word):
    return re.findall(rf"^  {word}  ([^:\n]+)", text, re.MULTILINE)


@pytest.mark.parametrize(("kind", "checks"), [("access_token", ACCESS), ("refresh_token", REFRESH)])
def test_of_a_good_token_every_check_passes(client, user, kind, checks):
    pair = client.tokens(user, label="phone")
    text, end = look(pair[kind])
    assert (lines(text, "pass"), lines(text, "FAIL"), end) == (checks, [], "good")
    assert f"Its session, of {user.get_username()} (primary key {user.pk}):" in text
    assert "phone" in text
    assert text.endswith("\nIt is valid.\n")
    assert pair[kind] not in text
    assert not client.is_dead(pair)  # nothing was used up


def deny(client, user, pair):
    revoke_token(verify(pair["access_token"]).claims)


def end_it(client, user, pair):
    revoke_session(UUID(pair["session"]), reason="lost")


def deactivate(client, user, pair):
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)


def change_the_password(client, user, pair):
    get_user_model().objects.filter(pk=user.pk).update(password="another")


def cut_off(client, user, pair):
    revoke_user(user)
    UserSession.objects.update(revoked_at=None)


def cut_everybody_off(client, user, pair):
    revoke_all()


def let_it_end(client, user, pair):
    UserSession.objects.update(idle_expires_at=timezone.now())


FAULTS = {
    end_it: "session not revoked",
    deactivate: "user active",
    change_the_password: "same password",
    cut_off: "after the cutoffs",
    cut_everybody_off: "after the cutoffs",
    let_it_end: "session not over",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_fault_is_named_alone_with_what_a_request_is_told(client, user, fault, kind):
    pair = client.tokens(user)
    fault(client, user, pair)
    text, end = look(pair[kind])
    assert lines(text, "FAIL") == [FAULTS[fault]]
    answer = client.get_me(pair[kind]) if kind == "access_token" else client.refresh(pair[kind])
    assert end == f"It is refused: {answer.json()['code']}."
    assert "live" not in text


def test_a_live_session_says_until_when(client, user):
    assert "  live until 2026-05-31 12:30:15\n" in look(client.tokens(user)["access_token"])[0]


def test_the_session_says_what_is_wrong_with_it(client, user):
    pair = client.tokens(user)
    change_the_password(client, user, pair)
    assert "  refused: the password was changed since\n" in look(pair["access_token"])[0]


def test_a_denied_token_is_named_and_the_refresh_token_is_good(client, user):
    pair = client.tokens(user)
    deny(client, user, pair)
    assert lines(look(pair["access_token"])[0], "FAIL") == ["token not denied"]
    assert look(pair["refresh_token"])[1] == "good"


def test_faults_are_named_together(client, user):
    pair = client.tokens(user)
    deactivate(client, user, pair)
    end_it(client, user, pair)
    text, _ = look(pair["access_token"])
    assert lines(text, "FAIL") == ["session not revoked", "user active"]
    assert "  FAIL  session not revoked: the session is revoked\n" in text
    assert "revoked: lost" in text


def test_an_expired_token_is_told_from_its_session(client, user, clock):
    pair = client.tokens(user)
    clock.shift(3600)
    text, end = look(pair["access_token"])
    assert (lines(text, "FAIL"), end) == (["audience and times"], "It is refused: token_expired.")
    assert "jti " in text


def test_a_refresh_token_that_was_used_is_named_and_its_session_not_ended(client, user, clock):
    pair = client.tokens(user)
    newer = client.refresh(pair["refresh_token"]).json()
    assert look(pair["refresh_token"])[1] == "good"  # within the grace period
    clock.shift(60)
    text, end = look(pair["refresh_token"])
    assert (lines(text, "FAIL"), end) == (["not used before"], "It is refused: refresh_token_reused.")
    UserSession.objects.update(counter=0)
    assert "is ahead of" in look(newer["refresh_token"])[0]
    assert UserSession.objects.get().revoked_at is None


def test_a_session_that_is_gone_is_named(client, user):
    pair = client.tokens(user)
    UserSession.objects.all().delete()
    for kind in ("access_token", "refresh_token"):
        assert lines(look(pair[kind])[0], "FAIL") == ["session found"]


def test_a_session_of_somebody_else_is_named(client, user, make_user):
    pair = client.tokens(user)
    UserSession.objects.update(user=make_user("bob"), auth_hash=user.get_session_auth_hash())
    failed = lines(look(pair["access_token"])[0], "FAIL")
    assert failed[0] == "user of the session"


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda raw: "x", "form"),
        (lambda raw: forge.with_claims(raw, iss='"somebody else"'), "issuer"),
        (lambda raw: raw[:-4] + ("AAAA" if raw[-4:] != "AAAA" else "BBBA"), "kind and signature"),
    ],
    ids=["garbage", "issuer", "signature"],
)
def test_checks_that_can_not_be_made_are_left_out(client, user, change, failed):
    text, end = look(change(client.tokens(user)["access_token"]))
    names = lines(text, "pass") + lines(text, "FAIL")
    assert names == ACCESS[: ACCESS.index(failed) + 1]
    assert end == "It is refused: invalid_token."


def test_a_key_that_is_not_there_is_named(client, user, settings):
    raw = client.tokens(user)["access_token"]
    settings.SECRET_KEY = "another secret key, also long enough for all checks to be content with"
    assert lines(look(raw)[0], "FAIL") == ["key"]


def test_a_refresh_token_that_was_changed_is_none(client, user):
    raw = client.tokens(user)["refresh_token"]
    text, _ = look(raw[:-4] + ("AAAA" if raw[-4:] != "AAAA" else "BBBA"))
    assert (lines(text, "FAIL"), lines(text, "pass")) == (["signature"], [])


def test_the_token_may_come_from_standard_input(client, user, monkeypatch):
    type_in(monkeypatch, client.tokens(user)["access_token"] + "\n", terminal=False)
    assert run("jwt_inspect").endswith("It is valid.\n")


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_it_never_says_otherwise_than_verify(client, user, fault):
    pair = client.tokens(user)
    if fault is not None:
        fault(client, user, pair)
    found = inspect(pair["access_token"], timezone.now())
    assert (found.refusal is None) == (client.get_me(pair["access_token"]).status_code == 200)


# Tokens of another issuer


@pytest.fixture
def theirs(jwt_settings, ec_key):
    """A token of another issuer, with a `sid` that no session here has."""
    jwt_settings(TRUSTED_ISSUERS={"https://issuer.example": {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"]}})

    def sign(**claims):
        second = int(timezone.now().timestamp())
        good = {"iss": "https://issuer.example", "aud": "jwt_auth", "sub": "1", "iat": second, "exp": second + 60}
        return jwt.encode({**good, **claims}, ec_key, "ES256", headers={"typ": "at+jwt"})

    return sign


def test_a_token_of_another_issuer_is_looked_at_by_its_rules(theirs, user):
    text, end = look(theirs())
    assert (lines(text, "FAIL"), end) == ([], "good")
    assert lines(text, "pass")[-1] == "not revoked by its issuer, and principal known here"
    text, end = look(theirs(one_time=True))
    assert lines(text, "FAIL") == ["not revoked by its issuer, and principal known here"]
    assert "invalid_token" in end


def test_when_its_keys_can_not_be_had_nothing_is_said_of_it(theirs, jwt_settings):
    url = "https://127.0.0.1/keys"  # never requested: the URL is of this machine
    jwt_settings(TRUSTED_ISSUERS={"https://issuer.example": {"JWKS_URL": url, "ALGORITHMS": ["ES256"]}})
    said = f"The token can't be checked now: no keys of {url} are known: 127.0.0.1 is in a private network."
    assert look(theirs())[1].strip() == said


# Tokens of a client

OF_CLIENT = [
    *("token not denied", "key not revoked", "user not promoted since", "client and user active"),
    *("after the cutoffs", "key not over"),
    "about the client itself",
]


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_of_a_good_token_of_a_client_every_check_passes(user, jwt_settings, mode):
    jwt_settings(REVOCATION=mode)
    api = register(user)
    text, end = look(api.token())
    assert (lines(text, "pass"), lines(text, "FAIL"), end) == ([*ACCESS[:5], *OF_CLIENT], [], "good")
    assert text.startswith("Looked at as a client's token, at ")
    assert f"Its client: reports ({api.client_id}), which acts as {user.get_username()}" in text
    assert not UsedToken.objects.exists()


@pytest.mark.parametrize(
    ("operation", "failed"),
    [
        (lambda api: revoke_client(api.row), "after the cutoffs"),
        (lambda api: revoke_client_key(api.key), "key not revoked"),
        (lambda api: get_user_model().objects.update(is_active=False), "client and user active"),
        (lambda api: api.key.__class__.objects.update(expires_at=timezone.now()), "key not over"),
    ],
)
def test_of_a_clients_token_each_check_speaks_for_itself(user, operation, failed):
    api = register(user)
    raw = api.token()
    operation(api)
    text, end = look(raw)
    assert lines(text, "FAIL") == [failed]
    assert end.startswith("It is refused: ")


def test_a_client_that_speaks_for_another_is_refused(user):
    text, _ = look(register(user).token(sub=str(user.pk)))
    assert lines(text, "FAIL") == ["about the client itself"]


@pytest.mark.django_db(transaction=True)  # the command closes its connections
def test_a_refusal_is_an_answer_and_a_script_can_tell_it_from_a_valid_token(client, user, capsys):
    pair = client.tokens(user)
    command = Command()
    command.run_from_argv(["manage.py", "jwt_inspect", pair["access_token"]])
    assert capsys.readouterr().out.endswith("It is valid.\n")
    revoke_user(user)
    with pytest.raises(SystemExit) as caught:
        command.run_from_argv(["manage.py", "jwt_inspect", pair["access_token"]])
    assert caught.value.code == 1
    shown = capsys.readouterr()
    assert shown.out.endswith("It is refused: token_revoked.\n")
    assert not shown.err
