"""Sign-ins of a project's own, by their base view: one request, several steps, and re-authentication."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.urls import include, path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.parsers import JSONParser

from jwt_auth import sessions
from jwt_auth.exceptions import InvalidCredentialsError
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_user
from jwt_auth.sessions.tickets import MAX_LENGTH, open_ticket
from jwt_auth.throttling import CountingCache
from jwt_auth.views import LoginView, Pending, Reauthentication, SignIn, SignInSerializer, SignInView
from tests.support import forge
from tests.support.answers import assert_error
from tests.support.browser import Browser
from tests.support.clients import PASSWORD, Client
from tests.support.guessing import addresses

CODE = "314159"
HOUR = timedelta(hours=1)


class CodeSerializer(SignInSerializer):
    name = serializers.CharField()
    code = serializers.CharField()


def find(name):
    return get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: name}).first()


class Code(SignInView):
    """A code that everybody has, with a name. `meanwhile` runs between the check and the start of the session."""

    serializer_class = CodeSerializer
    name_field = "name"
    amr = ("otp",)
    meanwhile = None

    def authenticate(self, request, data):
        user = find(data["name"])
        if data["code"] != CODE or user is None:
            return None
        if Code.meanwhile is not None:
            Code.meanwhile(user)
        return user


def bare(name):
    """Return what the natural key of a test compares."""
    return name.rstrip(".0123456789")


class CodeByKey(Code):
    def authenticate(self, request, data):
        return super().authenticate(request, {**data, "name": bare(data["name"])})


class CodeParsed(Code):
    parser_classes = [JSONParser]


class CodeApart(Code):
    budget = "codes"


class CardSerializer(serializers.Serializer):
    card = serializers.CharField()


class Card(SignInView):
    """As with a passkey, the body has no name."""

    serializer_class = CardSerializer

    def authenticate(self, request, data):
        user = find(data["card"])
        if user is not None and Code.meanwhile is not None:
            Code.meanwhile(user)
        return user and SignIn(user, amr=["hwk"], acr="2", idle_timeout=HOUR, absolute_timeout=HOUR, data={"desk": 3})


class CardPending(Card):
    def authenticate(self, request, data):
        return Pending(find(data["card"]), "code", state={"code": CODE})


class Odd(SignInView):
    """Its outcome, or its answer, is not what it should be."""

    outcome = None
    answered = None

    def authenticate(self, request, data):
        if isinstance(Odd.outcome, Exception):
            raise Odd.outcome
        return Odd.outcome

    def answer(self, request, pair):
        if Odd.answered is not None:
            Odd.answered(request)
        return super().answer(request, pair)


class Password(LoginView):
    def authenticate(self, request, data):
        user = super().authenticate(request, data)
        return user and Pending(user, "code", state={"code": CODE})


class StepSerializer(serializers.Serializer):
    code = serializers.CharField()


class CodeStep(SignInView):
    serializer_class = StepSerializer
    step = "code"
    amr = ("otp", "mfa")
    other = None

    def authenticate(self, request, data):
        return (CodeStep.other or self.ticket.user) if data["code"] == self.ticket.state["code"] else None


class StepBesideAPassword(CodeStep):
    """Checks the password of somebody else as well, such as of a witness."""

    def authenticate(self, request, data):
        get_user_model()._default_manager.exclude(pk=self.ticket.user.pk).get().check_password("wrong")
        return super().authenticate(request, data)


class Resend(CodeStep):
    """Sends another code, and asks for it in the same step."""

    amr = ("x" * 200,)

    def authenticate(self, request, data):
        return Pending(self.ticket.user, "code", state=self.ticket.state)


class OtherStep(CodeStep):
    step = "other"


class PasswordStep(CodeStep):
    """Checks the password with the very user that this app has read."""

    def authenticate(self, request, data):
        user = self.ticket.user if self.step else request.user
        return user if user.check_password(data["code"]) else None


class PasswordCheck(PasswordStep):
    step = ""


class PasswordCheckAgain(Reauthentication, PasswordCheck): ...


class MailSerializer(serializers.Serializer):
    name = serializers.CharField()


class Mail(SignInView):
    """The answer must not tell if anybody has the name."""

    serializer_class = MailSerializer
    name_field = "name"

    def authenticate(self, request, data):
        return self.step_for(find(data["name"].removeprefix("also ")))

    def refuse_closed(self, request, data):
        return self.step_for(None)

    def step_for(self, user):
        return Pending(user, "code", state={"code": CODE}, lifetime=HOUR)


class Alias(Mail):
    """The name is no natural key, so the account is not known before the check."""

    def authenticate(self, request, data):
        return Pending(find(data["name"].removeprefix("alias of ")), "code", state={"code": CODE})


class CodeAgain(Reauthentication, Code): ...


class PasswordAgainWithCode(Reauthentication, Password): ...


VIEWS = {
    "code": Code,
    "code/apart": CodeApart,
    "code/by-key": CodeByKey,
    "code/parsed": CodeParsed,
    "card": Card,
    "card/pending": CardPending,
    "odd": Odd,
    "password": Password,
    "step": CodeStep,
    "step/other": OtherStep,
    "step/again": Resend,
    "step/witness": StepBesideAPassword,
    "step/password": PasswordStep,
    "password/check": PasswordCheckAgain,
    "mail": Mail,
    "alias": Alias,
    "code/again": CodeAgain,
    "password/again": PasswordAgainWithCode,
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
    for view, name in ((Code, "meanwhile"), (Odd, "outcome"), (Odd, "answered"), (CodeStep, "other")):
        monkeypatch.setattr(view, name, None)


@pytest.fixture
def told():
    """Return what Django's signals of sign-ins said, in their order."""
    heard = []

    def hear(signal, **kwargs):
        heard.append((signal, kwargs))

    signals = (user_logged_in, user_login_failed)
    for signal in signals:
        signal.connect(hear)
    yield heard
    for signal in signals:
        signal.disconnect(hear)


def code(user, code=CODE, **extra):
    return {"name": user.get_username(), "code": code, **extra}


def claims_of(answer):
    assert answer.status_code == 200, answer.content
    return forge.claims_of(answer.json()["access_token"])


def ticket_of(answer):
    assert answer.status_code == 202, answer.content
    return answer.json()["ticket"]


def live():
    return UserSession.objects.filter(revoked_at=None)


# One request


def test_a_sign_in_of_a_projects_own_is_one_like_any_other(client, user, told):
    answer = client.send("/in/code/", code(user, label="desk", remember=False), HTTP_USER_AGENT="Firefox")
    assert set(answer.json()) == set(client.tokens(user))
    assert answer["Cache-Control"] == "no-store"
    assert claims_of(answer)["amr"] == ["otp"]
    session = UserSession.objects.get(pk=answer.json()["session"])
    assert (session.label, session.is_persistent, session.user_agent) == ("desk", False, "Firefox")
    (signal, said), _ = told
    assert (signal, said["user"], said["request"].user) == (user_logged_in, user, user)
    assert client.get_me(answer.json()["access_token"]).json()["amr"] == ["otp"]
    assert client.refresh(answer.json()["refresh_token"]).status_code == 200
    revoke_user(user)
    assert client.is_dead(answer.json())


def test_a_browser_gets_cookies_and_a_forged_request_nothing(user):
    page = Browser()
    forged = page.send(
        "/browser/in/code/", code(user), HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example"
    )
    assert_error(forged, 403, "csrf_failed")
    answer = page.send("/browser/in/code/", code(user))
    assert set(answer.json()) == {"expires_in", "refresh_expires_in", "session"}
    assert page.me().json()["amr"] == ["otp"]
    assert {cookie["max-age"] for cookie in answer.cookies.values()} == {answer.json()["refresh_expires_in"]}
    again = page.send("/browser/in/code/", code(user, remember=False))
    assert {cookie["max-age"] for cookie in again.cookies.values()} == {""}
    assert live().get().pk.hex == again.json()["session"].replace("-", "")
    assert {cookie["max-age"] for cookie in page.renew().cookies.values()} == {""}


def test_a_sign_in_without_a_name_says_its_own_terms(client, user, clock):
    claims = claims_of(client.send("/in/card/", {"card": user.get_username()}))
    assert (claims["amr"], claims["acr"]) == (["hwk"], "2")
    session = UserSession.objects.get()
    assert (session.data, session.expires_at, session.idle_timeout) == ({"desk": 3}, timezone.now() + HOUR, HOUR)


def test_a_wrong_code_and_an_unknown_name_are_answered_alike_and_told_once(client, user, told):
    wrong = client.send("/in/code/", code(user, "0"))
    unknown = client.send("/in/code/", {"name": "nobody", "code": CODE})
    assert_error(wrong, 401, "invalid_credentials")
    assert (wrong.content, wrong.headers) == (unknown.content, unknown.headers)
    assert [said["credentials"]["username"] for _, said in told] == [user.get_username(), "nobody"]
    client.login(user, "wrong")
    assert len(told) == 3  # by Django itself
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("budget", ["code", "code/apart"])
def test_failures_close_the_name_in_the_budget_of_the_view(client, user, jwt_settings, clock, budget):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    for _ in range(10):
        assert client.send(f"/in/{budget}/", code(user, "0"), REMOTE_ADDR=next(world)).status_code == 401
    closed = {
        name: client.send(f"/in/{name}/", code(user), REMOTE_ADDR=next(world)).status_code
        for name in ("code", "code/apart")
    }
    assert closed == {**dict.fromkeys(closed, 200), budget: 429}
    assert client.login(user, REMOTE_ADDR=next(world)).status_code == (429 if budget == "code" else 200)


def test_wrong_codes_close_the_account_that_several_names_lead_to(client, user, jwt_settings, clock, monkeypatch):
    """No password is checked, so only the natural key tells whose account it is."""
    jwt_settings(LOGIN_THROTTLE="1/s")
    manager = type(get_user_model()._default_manager)
    monkeypatch.setattr(manager, "get_by_natural_key", lambda self, name: find(bare(name)), raising=False)
    world = addresses()

    def send(number, typed=CODE):
        name = f"{user.get_username()}.{number}"
        return client.send("/in/code/by-key/", {"name": name, "code": typed}, REMOTE_ADDR=next(world)).status_code

    assert send(0) == 200
    assert [send(number, "0") for number in range(1, 11)] == [401] * 10
    assert send(11) == 401
    clock.shift(61)
    assert send(11) == 200


def test_sign_ins_are_counted_by_address_in_the_budget_of_the_view(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/m")
    card = {"card": user.get_username()}
    assert [client.send("/in/card/", card).status_code for _ in range(2)] == [200, 429]
    assert client.send("/in/code/apart/", code(user)).status_code == 200


def test_failures_without_a_name_close_nobody(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    for _ in range(20):
        assert client.send("/in/card/", {"card": "nobody"}, REMOTE_ADDR=next(world)).status_code == 401
    assert client.send("/in/card/", {"card": user.get_username()}, REMOTE_ADDR=next(world)).status_code == 200


def test_a_name_that_can_not_be_read_is_refused(client, user):
    assert_error(client.send("/in/code/", {"name": "x" * 1000, "code": CODE}), 400, "invalid_request")


@pytest.mark.parametrize("body", ["[]", "1", "null", '{"name": "\\ud800", "code": "1"}'])
def test_what_drfs_own_parser_accepts_is_no_crash(client, user, body):
    assert client.send("/in/code/parsed/", code(user)).status_code == 200
    answer = client.generic("POST", "/in/code/parsed/", body, content_type="application/json")
    assert_error(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (None, 401, "invalid_credentials"),
        ("alice", 401, "invalid_credentials"),
        (AuthenticationFailed("no"), 401, "authentication_failed"),
        (ValidationError({"code": ["no"]}), 400, "invalid_request"),
        (RuntimeError("bug"), 500, None),
    ],
    ids=["none", "no user", "refusal", "bad body", "bug"],
)
def test_an_outcome_that_signs_nobody_in(client, db, told, outcome, status, error):
    Odd.outcome = outcome
    answer = client.send("/in/odd/")
    assert answer.status_code == status
    if error:
        assert answer.json()["code"] == error
    assert ("WWW-Authenticate" in answer) == (status == 401)
    assert [signal for signal, _ in told] == [user_login_failed]
    assert not UserSession.objects.exists()


def test_methods_in_a_string_are_a_mistake_of_the_project(client, user, monkeypatch):
    Odd.outcome = user
    for amr, status in (("otp", 500), (["otp"], 200)):
        monkeypatch.setattr(Odd, "amr", amr)
        assert client.send("/in/odd/").status_code == status
    assert list(UserSession.objects.values_list("amr", flat=True)) == ["otp"]


def test_an_inactive_user_is_refused(client, user):
    Odd.outcome = user
    assert client.send("/in/odd/").status_code == 200
    user.is_active = False
    assert_error(client.send("/in/odd/"), 401, "invalid_credentials")


def test_an_answer_of_the_projects_own_knows_the_user_and_refuses_for_good(client, user):
    seen = []
    Odd.outcome = user
    Odd.answered = lambda request: seen.append((request.user, request._request.user))
    assert client.send("/in/odd/").status_code == 200
    assert seen == [(user, user)]

    def refuse(request):
        raise AuthenticationFailed("not you")

    assert Browser().send("/browser/in/odd/").cookies
    assert len(seen) == 2
    Odd.answered = refuse
    for page, url in ((client, "/in/odd/"), (Browser(), "/browser/in/odd/")):
        answer = page.send(url)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
        assert not answer.cookies
    ended = UserSession.objects.exclude(revoked_at=None)
    assert [session.revoked_reason for session in ended] == ["sign-in refused"] * 2


@pytest.mark.parametrize("half", ["\0", "\ud800", "\\\0"], ids=["NUL", "surrogate", "backslash and NUL"])
def test_text_of_a_client_that_a_database_can_not_store_is_a_bad_request(client, user, half):
    for text, status in (("\\u0000 \ud83d\ude00", 200), (half, 400)):
        for data in ({"desk": [text]}, {text: 1}):
            Odd.outcome = SignIn(user, data=data)
            answer = client.send("/in/odd/")
            assert answer.status_code == status, answer.content
    assert live().count() == 2


def test_the_methods_of_a_sign_in_are_a_list(client, user):
    """The letters of a text would be accepted one by one."""
    for outcome, status in (
        (SignIn(user, amr=["otp"]), 200),
        (SignIn(user, amr="otp"), 500),
        (Pending(user, "code", amr=["otp"]), 202),
        (Pending(user, "code", amr="otp"), 500),
    ):
        Odd.outcome = outcome
        assert client.send("/in/odd/").status_code == status, outcome
    assert [session.amr for session in live()] == ["otp"]


def test_a_view_without_a_step_has_no_ticket(user):
    with pytest.raises(AttributeError, match="Code has no `step`"):
        _ = Code().ticket


def test_a_view_that_says_nothing_is_a_mistake_of_the_project(client, user, monkeypatch):
    monkeypatch.setattr(Odd, "authenticate", SignInView.authenticate)
    assert client.send("/in/odd/").status_code == 500


def change_password(user):
    fresh = get_user_model().objects.get(pk=user.pk)
    fresh.set_password("another password")
    fresh.save()


def deactivate(user):
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)


def delete(user):
    get_user_model().objects.get(pk=user.pk).delete()


MEANWHILE = [revoke_user, lambda user: revoke_all(), change_password, deactivate, delete]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=["revoked", "all revoked", "password", "deactivated", "deleted"])
@pytest.mark.parametrize("name", ["code", "card"])
def test_what_happens_to_the_user_between_the_check_and_the_start_refuses_the_sign_in(client, user, name, meanwhile):
    body = {"code": code(user), "card": {"card": user.get_username()}}[name]
    assert client.send(f"/in/{name}/", body).status_code == 200
    RevocationEvent.objects.all().delete()
    Code.meanwhile = meanwhile
    assert_error(client.send(f"/in/{name}/", body), 401, "invalid_credentials")
    assert live().count() == (1 if UserSession.objects.exists() and meanwhile in (MEANWHILE[1], deactivate) else 0)


def test_a_hash_that_a_view_upgrades_signs_no_other_device_out(client, user, settings, monkeypatch):
    """As with Django's own backend, which checks the password in the same way."""

    def check(self, request, data):
        found = find(user.get_username())
        return found if found.check_password(PASSWORD) else None

    monkeypatch.setattr(Odd, "authenticate", check)
    first = client.tokens(user)
    usual = settings.PASSWORD_HASHERS
    new = "tests.hashers.NewHasher"
    settings.PASSWORD_HASHERS = [new, *usual]
    former = user.password
    assert client.send("/in/odd/").status_code == 200
    user.refresh_from_db()
    assert user.password != former
    assert client.refresh(first["refresh_token"]).status_code == 200

    # In the step after, and in a re-authentication, the view asks an instance that it gets from this app.
    ticket = ticket_of(client.send("/in/mail/", {"name": user.get_username()}))
    settings.PASSWORD_HASHERS = [*usual, new]
    assert step(client, ticket, PASSWORD, view="step/password").status_code == 200
    settings.PASSWORD_HASHERS = [new, *usual]
    signed_in = client.bearer(first["access_token"])
    assert signed_in.send("/in/password/check/", {"code": PASSWORD}).status_code == 200


# Steps


@pytest.fixture
def ticket(client, user, clock):
    """The ticket of alice, whose password was right."""
    return ticket_of(client.send("/in/password/", {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}))


def step(client, ticket, code=CODE, view="step", **extra):
    return client.send(f"/in/{view}/", {"ticket": ticket, "code": code}, **extra)


def test_a_sign_in_in_two_steps(client, user, told):
    credentials = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    answer = client.send("/in/password/", {**credentials, "label": "desk", "remember": False})
    assert answer.json() == {"step": "code", "ticket": ticket_of(answer), "expires_in": 300}
    assert answer["Cache-Control"] == "no-store"
    assert told == []
    assert not UserSession.objects.exists()
    done = step(client, answer.json()["ticket"])
    assert claims_of(done)["amr"] == ["pwd", "otp", "mfa"]
    session = UserSession.objects.get()
    assert (session.label, session.is_persistent) == ("desk", False)
    assert [signal for signal, _ in told] == [user_logged_in]


def test_in_a_browser_each_step_is_guarded_and_the_last_one_sets_cookies(user):
    page = Browser()
    first = page.send("/browser/in/password/", {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD})
    assert not first.cookies
    body = {"ticket": ticket_of(first), "code": CODE}
    forged = page.send("/browser/in/step/", body, HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert_error(forged, 403, "csrf_failed")
    assert page.send("/browser/in/step/", body).status_code == 200
    assert page.me().status_code == 200


def test_a_ticket_completes_one_sign_in(client, ticket):
    assert step(client, ticket).status_code == 200
    assert_error(step(client, ticket), 401, "invalid_credentials")
    assert UserSession.objects.count() == 1


def test_a_wrong_code_leaves_the_ticket_and_counts_for_the_account(client, user, ticket, jwt_settings, clock, told):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    assert_error(step(client, ticket, "0", REMOTE_ADDR=next(world)), 401, "invalid_credentials")
    assert told[0][1]["credentials"] == {"username": user.get_username()}
    for _ in range(9):
        step(client, ticket, "0", REMOTE_ADDR=next(world))
    assert_error(step(client, ticket, REMOTE_ADDR=next(world)), 429, "throttled")
    clock.shift(61)
    assert step(client, ticket, REMOTE_ADDR=next(world)).status_code == 200


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=["revoked", "all revoked", "password", "deactivated", "deleted"])
def test_a_ticket_is_dead_after_what_would_end_a_session(client, user, ticket, meanwhile):
    meanwhile(user)
    assert_error(step(client, ticket), 401, "invalid_credentials")
    assert not UserSession.objects.exists()


def test_a_ticket_for_an_alias_is_dead_after_a_revocation_too(client, user):
    def ask():
        return ticket_of(client.send("/in/alias/", {"name": f"alias of {user.get_username()}"}))

    assert step(client, ask()).status_code == 200
    ticket = ask()
    revoke_user(user)
    assert_error(step(client, ticket), 401, "invalid_credentials")


def test_a_method_that_was_used_in_two_steps_counts_once(client, ticket):
    for _ in range(2):
        ticket = ticket_of(step(client, ticket, view="step/again"))
    assert claims_of(step(client, ticket))["amr"] == ["pwd", "x" * 200, "otp", "mfa"]


def test_a_ticket_expires(client, ticket, clock):
    clock.shift(301)
    assert_error(step(client, ticket), 401, "invalid_credentials")


def test_a_ticket_is_good_for_its_step_its_transport_and_its_user_alone(client, make_user, ticket):
    for url in ("/in/step/other/", "/browser/in/step/"):
        assert_error(client.send(url, {"ticket": ticket, "code": CODE}), 401, "invalid_credentials")
    CodeStep.other = make_user("bob")
    assert_error(step(client, ticket), 401, "invalid_credentials")
    CodeStep.other = None
    assert step(client, ticket).status_code == 200


def test_a_ticket_is_no_token(client, user, ticket):
    assert client.get_me(ticket).status_code == 401
    assert client.refresh(ticket).status_code == 401
    assert client.send("verify/", {"token": ticket}).status_code == 401
    pair = client.tokens(user)
    others = (pair["access_token"], pair["refresh_token"], "", "x", "é", "x" * (MAX_LENGTH + 1), ticket[:-4] + "AAAA")
    world = addresses()
    for token in others:
        assert step(client, token, REMOTE_ADDR=next(world)).status_code in (400, 401)
    assert step(client, ticket).status_code == 200
    assert "ticket" in client.send("/in/step/", {"code": CODE}).json()["errors"]


def test_a_long_text_is_no_ticket_and_is_not_decrypted():
    with pytest.raises(InvalidCredentialsError, match="longer than"):
        open_ticket("x" * (MAX_LENGTH + 1), step="code", transport="bearer")


def test_a_ticket_shows_nothing(client, user, ticket):
    text = repr(ticket)
    assert CODE not in text
    assert user.get_username() not in text
    assert not ticket.startswith("eyJ")


def test_what_an_unknown_name_is_told_is_what_a_known_one_is_told(client, user, clock, count):
    names = (user.get_username(), "n" * len(user.get_username()))
    queries, answers = zip(*(count(client.send, "/in/mail/", {"name": name}) for name in names), strict=True)
    assert queries[0] == queries[1]
    assert [(answer.status_code, answer.json()["step"], answer.json()["expires_in"]) for answer in answers] == [
        (202, "code", 3600)
    ] * 2
    known, unknown = map(ticket_of, answers)
    assert len(known) == len(unknown)
    (queries, wrong), (for_nobody, nobody) = count(step, client, known, "0"), count(step, client, unknown)
    assert_error(nobody, 401, "invalid_credentials")
    assert (wrong.content, wrong.headers, queries) == (nobody.content, nobody.headers, for_nobody)
    assert step(client, known).status_code == 200


def test_the_cache_is_asked_as_often_for_an_unknown_name(client, user, monkeypatch):
    asked = []
    for name in ("get", "set"):
        usual = getattr(CountingCache, name)
        monkeypatch.setattr(CountingCache, name, lambda *args, n=name, call=usual: asked.append(n) or call(*args))
    seen = []
    for name in (user.get_username(), "also " + user.get_username(), "nobody"):
        asked.clear()
        ticket = ticket_of(client.send("/in/mail/", {"name": name}))
        asked.append("step")
        step(client, ticket, "0")
        seen.append(tuple(asked))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0].count("set") == 6  # of the address, the name and the account, each twice


def test_an_alias_of_a_closed_account_is_told_what_an_unknown_name_is_told(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()

    def ask(name):
        return ticket_of(client.send("/in/mail/", {"name": name}, REMOTE_ADDR=next(world)))

    before = ask(user.get_username())
    for _ in range(10):
        assert step(client, before, "0", REMOTE_ADDR=next(world)).status_code == 401
    for name in ("also " + user.get_username(), "nobody"):
        assert_error(step(client, ask(name), REMOTE_ADDR=next(world)), 401, "invalid_credentials")
    clock.shift(61)
    assert step(client, before, REMOTE_ADDR=next(world)).status_code == 200


def test_nothing_tells_whether_the_name_of_a_ticket_is_somebodys(client, user, make_user, jwt_settings, clock):
    """Neither its length, nor the budgets, nor that the user may not sign in."""
    names = (user.get_username(), make_user("steve", is_active=False).get_username(), "n" * len(user.get_username()))
    jwt_settings(LOGIN_THROTTLE="1/s")
    told, world = [], addresses()
    for name in names:
        first = client.send("/in/mail/", {"name": name}, REMOTE_ADDR=next(world))
        ticket = ticket_of(first)
        wrong = [step(client, ticket, "0", REMOTE_ADDR=next(world)).status_code for _ in range(11)]
        again = client.send("/in/mail/", {"name": name}, REMOTE_ADDR=next(world)).status_code
        told.append((len(ticket), wrong, again))
    assert told[0][1:] == ([401] * 10 + [429], 429)
    assert told == [told[0]] * 3


def test_a_wrong_code_counts_for_the_user_of_the_ticket_whatever_else_was_checked(
    client, user, make_user, jwt_settings, clock
):
    make_user("bob")
    jwt_settings(LOGIN_THROTTLE="1/s")
    ticket, world = ticket_of(client.send("/in/card/pending/", {"card": user.get_username()})), addresses()
    for _ in range(10):
        step(client, ticket, "0", view="step/witness", REMOTE_ADDR=next(world))
    assert_error(step(client, ticket, REMOTE_ADDR=next(world)), 401, "invalid_credentials")
    clock.shift(61)
    assert step(client, ticket, REMOTE_ADDR=next(world)).status_code == 200


def test_one_address_closes_a_step_for_itself_alone(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    for url, field in (("/in/mail/", "name"), ("/in/card/pending/", "card")):
        ticket = ticket_of(client.send(url, {field: user.get_username()}))
        for _ in range(11):
            clock.shift(1.1)
            step(client, ticket, "0")
        assert step(client, ticket).status_code in (401, 429)
        assert step(client, ticket, REMOTE_ADDR="192.0.2.9").status_code == 200
        clock.shift(61)


def test_a_pending_step_has_bounds(user):
    for wrong in (
        {"lifetime": 2 * HOUR},
        {"lifetime": timedelta(0)},
        {"state": {"x": "y" * 1000}},
        {"state": {"x": {1}}},
    ):
        with pytest.raises(ValueError):
            Pending(user, "code", **wrong)
    for name, wrong in (("step", {"step": 1}), ("lifetime", {"step": "code", "lifetime": 300})):
        with pytest.raises(TypeError, match=name):
            Pending(user, **wrong)


# Re-authentication


def test_a_reauthentication_replaces_the_session(client, user, clock):
    pair = client.tokens(user, label="desk")
    before = claims_of(client.refresh(pair["refresh_token"]))
    clock.shift(600)
    pair = client.tokens(user, label="desk")
    before = forge.claims_of(pair["access_token"])
    clock.shift(60)
    answer = client.bearer(pair["access_token"]).send("reauthenticate/", {"password": PASSWORD})
    after = claims_of(answer)
    assert after["sid"] != before["sid"]
    assert after["auth_time"] == before["auth_time"] + 60
    assert client.is_dead(pair)
    former, new = UserSession.objects.get(pk=before["sid"]), UserSession.objects.get(pk=after["sid"])
    assert (former.revoked_reason, new.label) == ("replaced", "desk")
    assert client.refresh(answer.json()["refresh_token"]).status_code == 200


def test_a_reauthentication_is_named_before_the_sign_in():
    with pytest.raises(TypeError, match=r"class Again\(Reauthentication, "):
        type("Again", (Code, Reauthentication), {})
    assert type("Again", (Reauthentication, Code), {}).for_browsers().permission_classes


def test_a_reauthentication_needs_a_token_and_the_right_password(client, user, make_user, told):
    assert_error(client.send("reauthenticate/", {"password": PASSWORD}), 401, "not_authenticated")
    pair = client.tokens(user)
    signed_in = client.bearer(pair["access_token"])
    assert_error(signed_in.send("reauthenticate/", {"password": "wrong"}), 401, "invalid_credentials")
    assert told[-1][0] == user_login_failed
    assert_error(signed_in.send("/in/code/again/", code(make_user("bob"))), 401, "invalid_credentials")
    assert not client.is_dead(pair)
    assert claims_of(signed_in.send("/in/code/again/", code(user)))["amr"] == ["otp"]


def test_wrong_passwords_of_a_reauthentication_count_for_the_account(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    signed_in = client.bearer(client.tokens(user)["access_token"])
    for _ in range(10):
        assert signed_in.send("reauthenticate/", {"password": "wrong"}, REMOTE_ADDR=next(world)).status_code == 401
    assert signed_in.send("reauthenticate/", {"password": PASSWORD}, REMOTE_ADDR=next(world)).status_code == 429


def test_a_reauthentication_in_a_browser(user, clock):
    page = Browser().sign_in(user, remember=False)
    first = page.pair
    clock.shift(60)
    forged = page.send(
        "reauthenticate/", {"password": PASSWORD}, HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example"
    )
    assert_error(forged, 403, "csrf_failed")
    answer = page.send("reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 200
    assert {cookie["max-age"] for cookie in answer.cookies.values()} == {""}
    assert Client().is_dead(first)
    assert not page.is_signed_out()


def test_a_reauthentication_in_steps_replaces_the_session_at_the_last_one(client, user):
    pair = client.tokens(user)
    first = client.bearer(pair["access_token"]).send(
        "/in/password/again/", {"password": PASSWORD, user.USERNAME_FIELD: "x"}
    )
    assert not client.is_dead(pair)
    done = step(client, ticket_of(first))
    assert claims_of(done)["amr"] == ["pwd", "otp", "mfa"]
    assert live().get().pk.hex == claims_of(done)["sid"]


def test_a_session_that_ended_meanwhile_is_not_replaced(client, user):
    pair = client.tokens(user)
    first = client.bearer(pair["access_token"]).send(
        "/in/password/again/", {"password": PASSWORD, user.USERNAME_FIELD: "x"}
    )
    sessions.end(pair["refresh_token"])
    assert_error(step(client, ticket_of(first)), 401, "token_revoked")
    assert not live().exists()


# Queries


def test_a_sign_in_of_a_projects_own_costs_no_more_than_one_with_a_password(client, user, ticket, count):
    """The view's own look at the user is in the number."""
    for url, body in (("code", code(user)), ("card", {"card": user.get_username()})):
        number, answer = count(client.send, f"/in/{url}/", body)
        assert (answer.status_code, number) == (200, 6), url
    number, answer = count(step, client, ticket)
    assert (answer.status_code, number) == (200, 6)  # with the one that uses up the ticket
    signed_in = client.bearer(client.tokens(user)["access_token"])
    number, answer = count(signed_in.send, "reauthenticate/", {"password": PASSWORD})
    assert (answer.status_code, number) == (200, 10)  # with the end of the session that it replaces
