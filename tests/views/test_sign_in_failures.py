"""Sign-ins of a project's own that fail: by the credentials, by a mistake in the view, or by an outage."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import MultipleObjectsReturned, PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import include, path
from rest_framework import serializers

from jwt_auth import sessions
from jwt_auth.authentication import replay
from jwt_auth.exceptions import UnavailableError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_user
from jwt_auth.sessions import accounts
from jwt_auth.sessions.accounts import account_by_name
from jwt_auth.views import LoginView, Pending, Reauthentication, SignIn, SignInSerializer, SignInView
from tests.support.answers import assert_error
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.guessing import addresses
from tests.support.outages import GONE, assert_unavailable, outage

CODE = "314159"


class NamedSerializer(SignInSerializer):
    name = serializers.CharField()


class Named(SignInView):
    """Returns the user with the name, unless a test says what it returns or raises."""

    serializer_class = NamedSerializer
    name_field = "name"
    outcome = None

    def authenticate(self, request, data):
        outcome = Named.outcome
        if outcome is None:
            return find(data["name"])
        return outcome() if callable(outcome) else outcome


def find(name):
    return get_user_model()._default_manager.get(**{get_user_model().USERNAME_FIELD: name})


class Alias(SignInView):
    """Finds the user by a name that is no natural key. `meanwhile` runs during the check."""

    serializer_class = NamedSerializer
    name_field = "name"
    meanwhile = None

    def authenticate(self, request, data):
        name = data["name"].removeprefix("alias of ")
        user = get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: name}).first()
        if user is not None and Alias.meanwhile is not None:
            Alias.meanwhile(user)
        return user


class AliasFirst(Alias):
    def authenticate(self, request, data):
        return Pending(super().authenticate(request, data), "code")


class Found(Named):
    def authenticate(self, request, data):
        return get_object_or_404(get_user_model(), **{get_user_model().USERNAME_FIELD: data["name"]})


class CodeSerializer(serializers.Serializer):
    code = serializers.CharField()


class First(Named):
    def authenticate(self, request, data):
        user = get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: data["name"]}).first()
        return Pending(user, "code")

    def refuse_closed(self, request, data):
        return Pending(None, "code")


class Code(SignInView):
    serializer_class = CodeSerializer
    step = "code"

    def authenticate(self, request, data):
        return self.ticket.user if data["code"] == CODE else None


class Next(Code):
    """Asks for a further step."""

    def authenticate(self, request, data):
        return Pending(super().authenticate(request, data), "code")


class CodeAgain(Reauthentication, Named): ...


class Nameless(LoginView):
    """Its body has no name, and nothing else says one."""

    name_field = None


# The ways to return a user.
WRAPPED = [
    pytest.param(lambda user: user, id="user"),
    pytest.param(SignIn, id="SignIn"),
    pytest.param(lambda user: Pending(user, "code"), id="Pending"),
]

VIEWS = {
    "named": Named,
    "alias": Alias,
    "alias/first": AliasFirst,
    "found": Found,
    "first": First,
    "code": Code,
    "next": Next,
    "again": CodeAgain,
    "nameless": Nameless,
}

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    *(path(f"in/{name}/", view.as_view()) for name, view in VIEWS.items()),
    *(path(f"browser/in/{name}/", view.for_browsers().as_view()) for name, view in VIEWS.items()),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    monkeypatch.setattr(Named, "outcome", None)
    monkeypatch.setattr(Alias, "meanwhile", None)


def raising(error):
    def outcome():
        raise error

    return outcome


def named(user, **extra):
    return {"name": user.get_username(), **extra}


def ticket_for(client, name, **extra):
    answer = client.send("/in/first/", {"name": name}, **extra)
    assert answer.status_code == 202, answer.content
    return answer.json()["ticket"]


def step(client, ticket, code=CODE, view="code", **extra):
    return client.send(f"/in/{view}/", {"ticket": ticket, "code": code}, **extra)


# What a view raises, and what it returns


def test_a_name_that_nobody_has_is_answered_as_wrong_credentials(client, user, heard):
    failed = heard(user_login_failed)
    Named.outcome = lambda: None
    wrong = client.send("/in/named/", named(user))
    assert_error(wrong, 401, "invalid_credentials")
    Named.outcome = None
    for view in ("named", "found"):
        assert client.send(f"/in/{view}/", named(user)).status_code == 200
        unknown = client.send(f"/in/{view}/", {"name": "nobody"})
        assert (unknown.status_code, unknown.content, unknown.headers) == (401, wrong.content, wrong.headers)
    assert len(failed) == 3


@pytest.mark.parametrize(
    "error",
    [
        get_user_model().DoesNotExist("no such user"),
        MultipleObjectsReturned("two users"),
        Http404("no such user"),
        PermissionDenied("not this one"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_that_say_that_nobody_may_sign_in_are_failures(client, user, error, log, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    Named.outcome = raising(error)
    for _ in range(10):
        assert_error(client.send("/in/named/", named(user), REMOTE_ADDR=next(world)), 401, "invalid_credentials")
    record = log()[-1]
    assert (record.event, str(error) in record.reason) == ("sign_in_refused", True)
    Named.outcome = None
    assert client.send("/in/named/", named(user), REMOTE_ADDR=next(world)).status_code == 429
    clock.shift(61)
    assert client.send("/in/named/", named(user), REMOTE_ADDR=next(world)).status_code == 200


@pytest.mark.parametrize(
    ("error", "errors"),
    [
        (ValidationError("Too short."), {"non_field_errors": ["Too short."]}),
        (ValidationError({"code": ["Too short.", "Too old."]}), {"code": ["Too short.", "Too old."]}),
    ],
    ids=["of all", "of a field"],
)
def test_a_validation_error_of_django_is_one_of_drf(client, user, heard, error, errors):
    failed = heard(user_login_failed)
    Named.outcome = raising(error)
    answer = client.send("/in/named/", named(user))
    assert_error(answer, 400, "invalid_request")
    assert answer.json()["errors"] == errors
    assert len(failed) == 1


@pytest.mark.parametrize("error", [OperationalError(GONE), UnavailableError("the directory does not answer")])
def test_an_outage_during_the_check_is_no_failure(client, user, heard, error):
    failed = heard(user_login_failed)
    Named.outcome = raising(error)
    assert_unavailable(client.send("/in/named/", named(user)))
    assert failed == []


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_user_who_is_not_saved_is_a_mistake_of_the_project(client, user, wrap):
    client.raise_request_exception = True
    Named.outcome = lambda: wrap(get_user_model()())
    with pytest.raises(TypeError, match="saved"):
        client.send("/in/named/", named(user))
    Named.outcome = lambda: wrap(user)
    assert client.send("/in/named/", named(user)).status_code in (200, 202)


@pytest.mark.parametrize(
    "nobody",
    [AnonymousUser(), False, "", 0, "alice", SimpleNamespace(pk=1, is_active=True)],
    ids=["anonymous", "false", "empty", "zero", "a name", "an object"],
)
@pytest.mark.parametrize("wrap", WRAPPED)
def test_what_is_no_user_signs_nobody_in(client, user, nobody, wrap):
    Named.outcome = lambda: wrap(nobody)
    assert_error(client.send("/in/named/", named(user)), 401, "invalid_credentials")
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("name", ["authenticate", "refuse_closed", "get_login_name", "answer"])
def test_an_asynchronous_method_is_refused_where_it_is_defined(name):
    async def method(self, *args): ...

    for bases in ((SignInView,), (LoginView,), (Reauthentication, LoginView)):
        assert type("Own", bases, {name: getattr(LoginView, name)})
        with pytest.raises(TypeError, match=rf"Own\.{name}\(\) .* async"):
            type("Own", bases, {name: method})


def test_a_password_sign_in_without_a_name_signs_nobody_in(client, make_user):
    make_user("None")
    assert_error(client.send("/in/nameless/", {"password": PASSWORD}), 401, "invalid_credentials")


# Names that are no natural key


@pytest.mark.parametrize("revoke", [revoke_user, lambda user: revoke_all()], ids=["user", "all"])
@pytest.mark.parametrize("prefix", ["", "alias of "])
def test_a_revocation_during_the_check_refuses_the_sign_in_whatever_the_name_was(client, user, prefix, revoke):
    body = {"name": prefix + user.get_username()}
    assert client.send("/in/alias/", body).status_code == 200
    Alias.meanwhile = revoke
    assert_error(client.send("/in/alias/", body), 401, "invalid_credentials")
    Alias.meanwhile = None
    assert client.send("/in/alias/", body).status_code == 200
    Alias.meanwhile = revoke
    ticket = client.send("/in/alias/first/", body).json()["ticket"]
    assert_error(step(client, ticket), 401, "invalid_credentials")


def test_a_first_step_costs_the_same_for_each_name(client, user, count):
    names = (user.get_username(), "alias of " + user.get_username(), "nobody")
    answers = [count(client.send, "/in/alias/first/", {"name": name}) for name in names]
    assert [(queries, answer.status_code) for queries, answer in answers] == [(2, 202)] * 3


def test_two_users_of_one_name_are_no_account(user, make_user, monkeypatch):
    """A database may compare without case, or a manager may show two."""
    name, other = user.get_username(), make_user("bob")
    assert account_by_name(name).pk == user.pk
    everybody = get_user_model()._default_manager.all()
    monkeypatch.setattr(accounts, "visible_users", lambda: SimpleNamespace(filter=lambda **names: everybody))
    assert sessions.find_account(name) is None
    assert account_by_name(name).read_at is not None
    other.delete()
    assert sessions.find_account(name).pk == user.pk


# The texts


def test_a_step_says_that_it_failed_and_not_why(client, user, clock):
    name = user.get_username()
    known = ticket_for(client, name)
    used = ticket_for(client, name)
    assert step(client, used).status_code == 200
    answers = [
        step(client, known, "wrong"),
        step(client, ticket_for(client, "nobody"), "wrong"),
        step(client, ticket_for(client, "nobody")),
        step(client, used),
        step(client, "x"),
    ]
    clock.shift(301)
    answers.append(step(client, known))
    for answer in answers:
        assert_error(answer, 401, "invalid_credentials")
        assert (answer.content, answer.headers) == (answers[0].content, answers[0].headers)
    assert "account" not in answers[0].json()["detail"]
    assert client.login(user, "wrong").json()["detail"] == "No active account was found with these credentials."


def test_a_reauthentication_says_that_the_credentials_are_not_the_users(client, user, make_user):
    signed_in = client.bearer(client.tokens(user)["access_token"])
    wrong = signed_in.send("reauthenticate/", {"password": "wrong"})
    other = signed_in.send("/in/again/", named(make_user("bob")))
    unknown = signed_in.send("/in/again/", {"name": "nobody"})
    for answer in (wrong, other, unknown):
        assert_error(answer, 401, "invalid_credentials")
        assert answer.json()["detail"] == "These credentials are not those of the signed-in user."
    page = Browser().sign_in(user)
    assert page.send("reauthenticate/", {"password": "wrong"}).content == wrong.content


# Outages


@pytest.fixture(params=["database", "cache"])
def store(request, jwt_settings, monkeypatch):
    """Where used tickets are recorded."""
    jwt_settings(REPLAY_CACHE=None)
    if request.param == "cache":
        used = set()

        def burn(iss, jti, until):
            if jti in used:
                raise replay.ReplayedTokenError("the token was used before")
            used.add(jti)

        monkeypatch.setattr("jwt_auth.views.steps.burn", burn)
    return request.param


@pytest.mark.parametrize("table", ["jwt_auth_usersession", "key"])
def test_an_outage_does_not_use_up_the_ticket(client, user, store, table, monkeypatch):
    ticket = ticket_for(client, user.get_username())
    if table == "key":
        with monkeypatch.context() as patch:

            def no_key(*args):
                raise UnavailableError("there is no key")

            patch.setattr("jwt_auth.sessions.starting.sign", no_key)
            assert_unavailable(step(client, ticket))
    else:
        with outage(of=lambda sql: table in sql and sql.startswith("INSERT")):
            assert_unavailable(step(client, ticket))
    assert not UserSession.objects.exists()
    assert step(client, ticket).status_code == 200
    assert_error(step(client, ticket), 401, "invalid_credentials")
    assert UserSession.objects.count() == 1


def test_an_outage_of_the_record_of_used_tickets_starts_no_session(client, user, monkeypatch):
    ticket = ticket_for(client, user.get_username())
    with monkeypatch.context() as patch:

        def fail(*args):
            raise UnavailableError("the cache of used tokens failed")

        patch.setattr("jwt_auth.views.steps.burn", fail)
        assert_unavailable(step(client, ticket))
    assert not UserSession.objects.exists()
    assert step(client, ticket).status_code == 200


def test_a_ticket_completes_one_step_whatever_comes_next(client, user, store):
    ticket = ticket_for(client, user.get_username())
    following = step(client, ticket, view="next").json()["ticket"]
    for view in ("next", "code"):
        assert_error(step(client, ticket, view=view), 401, "invalid_credentials")
    assert step(client, following).status_code == 200


def test_a_refusal_after_the_check_does_not_use_up_the_ticket(client, user, monkeypatch):
    """It is dead all the same, if the user was revoked."""
    ticket = ticket_for(client, user.get_username())
    monkeypatch.setattr(Code, "authenticate", lambda self, request, data: revoke_user(self.ticket.user) and user)
    assert_error(step(client, ticket), 401, "invalid_credentials")
    monkeypatch.undo()
    assert_error(step(client, ticket), 401, "invalid_credentials")
    assert sessions.start(user).expires_in > timedelta(0).total_seconds()
