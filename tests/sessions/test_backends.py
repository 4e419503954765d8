"""Each kind of authentication backend that Django allows signs users in here as in Django's own form."""

from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import AllowAllUsersModelBackend, BaseBackend, ModelBackend, RemoteUserBackend
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.db.models import Manager
from django.test import RequestFactory
from rest_framework.exceptions import AuthenticationFailed

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.sessions import find_account
from jwt_auth.sessions.accounts import users_by_name
from jwt_auth.views import LoginView
from jwt_auth.views.users import ATTEMPTS
from tests.support.clients import PASSWORD
from tests.support.outages import outage


def user_with(mark, password):
    """Return the user with this password whose login name has `mark` after its first letter."""
    for user in get_user_model().objects.filter(**{f"{get_user_model().USERNAME_FIELD}__contains": mark.lower()}):
        if user.check_password(password):
            return user
    return None


class Usual(BaseBackend):
    """Knows a user by another name than USERNAME_FIELD: by a part of it."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        return None if username is None else user_with(username, password)


class ByField(BaseBackend):
    """Has a parameter of the name of USERNAME_FIELD."""

    def authenticate(self, request, email=None, password=None):
        return email and user_with(email, password)


class ByKeyword(BaseBackend):
    def authenticate(self, request, *, email, password):
        return user_with(email, password)


class ByToken(BaseBackend):
    def authenticate(self, request, token=None):
        raise AssertionError("called with a name")


class WithoutRequest(BaseBackend):
    def authenticate(self, username=None, password=None):
        raise AssertionError("called without a request")


class Refusing(BaseBackend):
    def authenticate(self, request, **credentials):
        raise PermissionDenied


class Invalid(BaseBackend):
    def authenticate(self, request, **credentials):
        raise ValidationError("The account is locked.")


class Failing(ModelBackend):
    """Raises the class's error for a wrong password."""

    error = RuntimeError("wrong")

    def authenticate(self, request, **credentials):
        user = super().authenticate(request, **credentials)
        if user is None:
            raise self.error
        return user


class Nosy(ModelBackend):
    """Needs what a real request has, as django-axes does."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        request.session["asked"] = request.META["REMOTE_ADDR"]


class Stranger(BaseBackend):
    """Returns somebody who is no user of this project."""

    def authenticate(self, request, username=None, password=None):
        user = get_user_model().objects.first()
        return SimpleNamespace(pk=user.pk, is_active=True, password=user.password)


class Unhashed(BaseBackend):
    """Checks no password of a user, as a directory does."""

    def authenticate(self, request, username=None, password=None):
        user = get_user_model().objects.get(**{f"{get_user_model().USERNAME_FIELD}__contains": username})
        return user if password == PASSWORD else None


@pytest.fixture
def use(settings):
    def change(*backends):
        settings.AUTHENTICATION_BACKENDS = [f"{each.__module__}.{each.__qualname__}" for each in backends]

    return change


@pytest.fixture
def by_form(rf):
    def sign_in(name, password=PASSWORD):
        request = rf.post("/")
        request.session = {}
        return AuthenticationForm(request, {"username": name, "password": password}).is_valid()

    return sign_in


@pytest.fixture
def rf():
    return RequestFactory()


def attempt(client, name, password=PASSWORD, address="192.0.2.1"):
    body = {get_user_model().USERNAME_FIELD: name, "password": password}
    return client.send("login/", body, REMOTE_ADDR=address)


CHAINS = {
    "the usual signature": ([Usual], True),
    "its own after ModelBackend": ([ModelBackend, Usual], True),
    "all users": ([AllowAllUsersModelBackend, Usual], True),
    "beside one for tokens": ([ByToken, Usual], True),
    "beside one without a request": ([WithoutRequest, Usual], True),
    "beside one for remote users": ([RemoteUserBackend, Usual], True),
    "after one that asks the request": ([Nosy, Usual], True),
    "after one that refuses": ([Refusing, Usual], False),
    "before one that refuses": ([Usual, Refusing], True),
    "after one that raises ValidationError": ([Invalid, Usual], False),
    "only ModelBackend": ([ModelBackend], False),
    "only one for tokens": ([ByToken], False),
}


@pytest.mark.parametrize(("backends", "accepted"), CHAINS.values(), ids=CHAINS)
def test_backends_accept_and_refuse_as_in_django_s_own_form(client, user, use, by_form, backends, accepted):
    use(*backends)
    assert by_form("lic") == accepted
    assert attempt(client, "lic").status_code == (200 if accepted else 401)
    assert attempt(client, "lic", "wrong").status_code == 401


@pytest.mark.parametrize("backend", [ByField, ByKeyword])
@pytest.mark.skipif(get_user_model().USERNAME_FIELD != "email", reason="the backends' parameter is `email`")
def test_a_backend_without_username_gets_the_name_by_the_user_model_s_field(client, user, use, backend):
    use(backend, ByToken)
    assert attempt(client, "lic").status_code == 200
    assert attempt(client, "lic", "wrong").status_code == 401
    # Not beside one that Django's form would call: that one may be there to refuse.
    use(backend, Refusing)
    assert attempt(client, "lic").status_code == 401


@pytest.mark.parametrize("backend", [ByField, ByKeyword])
def test_the_name_of_the_field_is_that_of_the_user_model(client, user, use, backend, monkeypatch):
    use(backend)
    assert attempt(client, "lic").status_code == (200 if user.USERNAME_FIELD == "email" else 401)
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "email")
    type(user).objects.filter(pk=user.pk).update(email="alice@example.com")
    assert attempt(client, "lic").status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("bug"), 500),
        (PermissionDenied(), 401),
        (ValidationError("no"), 401),
        (ValueError("no"), 500),
        (AuthenticationFailed("no"), 401),
    ],
)
def test_an_error_for_a_wrong_password_is_counted_as_a_failure(
    client, user, use, jwt_settings, clock, monkeypatch, error, status
):
    use(Failing)
    monkeypatch.setattr(Failing, "error", error)
    jwt_settings(LOGIN_THROTTLE="1/s")
    name = user.get_username()
    answers = [attempt(client, name, "wrong", f"192.0.2.{number}").status_code for number in range(11)]
    assert answers == [status] * 10 + [429]
    clock.shift(61)
    assert attempt(client, name).status_code == 200


def test_an_outage_is_no_failure(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    with outage(OperationalError("the connection was lost"), of=lambda sql: "password" in sql):
        answers = {
            attempt(client, user.get_username(), address=f"192.0.2.{number}").status_code for number in range(11)
        }
    assert answers == {503}
    assert attempt(client, user.get_username(), address="192.0.2.99").status_code == 200


def test_several_users_of_one_name_are_nobody(client, user, make_user, monkeypatch):
    model = get_user_model()
    make_user("bob")
    model.objects.update(last_login=None, password=make_password(PASSWORD))
    manager = type(model._default_manager)
    monkeypatch.setattr(manager, "get_by_natural_key", lambda self, name: self.get(is_active=True), raising=False)
    assert find_account("anybody") is None
    assert attempt(client, "anybody").status_code == 401
    model.objects.filter(pk=user.pk).update(is_active=False)
    assert attempt(client, "anybody").status_code == 200


def test_a_natural_key_of_several_parts_is_not_asked_for_a_name(client, user, use, by_form, monkeypatch):
    def by_tenant(self, tenant, name):
        raise AssertionError("called with one part")

    monkeypatch.setattr(type(get_user_model()._default_manager), "get_by_natural_key", by_tenant, raising=False)
    use(Usual)
    assert by_form("lic")
    assert attempt(client, "lic").status_code == 200
    assert attempt(client, "lic", "wrong").status_code == 401
    assert users_by_name(user.get_username()) == [user]
    assert users_by_name("nobody") == []


@pytest.mark.parametrize("error", [None, ValidationError("locked")])
def test_a_refusal_in_the_attempt_that_upgrades_the_hash_is_a_refusal(client, user, use, settings, monkeypatch, error):
    class Second(ModelBackend):
        calls = 0

        def authenticate(self, request, **credentials):
            Second.calls += 1
            if error and Second.calls == 2:
                raise error
            return super().authenticate(request, **credentials)

    monkeypatch.setattr("tests.sessions.test_backends.Usual.authenticate", Second().authenticate)
    use(Usual)
    settings.PASSWORD_HASHERS = ["tests.hashers.NewHasher", *settings.PASSWORD_HASHERS]
    assert attempt(client, user.get_username()).status_code == (401 if error else 200)
    assert Second.calls == 2


def test_somebody_who_is_no_user_of_this_project_gets_no_session(client, user, use):
    use(Stranger)
    assert attempt(client, user.get_username()).status_code == 401
    assert not UserSession.objects.exists()


def test_failures_are_announced_as_by_django(client, user, use):
    heard = []

    def hear(credentials, request, **kwargs):
        heard.append((credentials["username"], request.META["REMOTE_ADDR"]))

    user_login_failed.connect(hear)
    attempt(client, "lic", "wrong")
    user_login_failed.disconnect(hear)
    assert heard == [("lic", "192.0.2.1")]


# Other names


@pytest.mark.parametrize("backend", [ModelBackend, Usual])
@pytest.mark.parametrize(("revocations", "status"), [(0, 200), (1, 200), (ATTEMPTS - 1, 200), (ATTEMPTS, 401)])
def test_a_revocation_while_a_password_is_checked_has_it_checked_again(
    client, user, use, monkeypatch, backend, revocations, status
):
    checks = []

    def revoke_and_check(password, *args, **kwargs):
        checks.append(password)
        if len(checks) <= revocations:
            revoke_user(user)
        return check_password(password, *args, **kwargs)

    use(backend)
    monkeypatch.setattr("django.contrib.auth.base_user.check_password", revoke_and_check)
    name = "lic" if backend is Usual else user.get_username()
    assert attempt(client, name).status_code == status
    assert len(checks) == min(revocations + 1, ATTEMPTS)
    checks[:] = [None] * 9
    assert attempt(client, name).status_code == 200
    assert len(checks) == 10


def test_a_user_who_was_not_saved_is_no_account(client, user, use, monkeypatch):
    class Dummy(BaseBackend):
        def authenticate(self, request, username=None, password=None):
            get_user_model()(password=make_password("x")).check_password(password)

    monkeypatch.setattr("tests.sessions.test_backends.Usual.authenticate", Dummy.authenticate)
    use(Usual)
    assert attempt(client, "lic").status_code == 401


def test_a_backend_that_checks_no_hash_signs_in(client, user, use):
    use(Unhashed)
    assert attempt(client, "lic").status_code == 200
    assert attempt(client, "lic", "wrong").status_code == 401


def test_the_body_s_field_may_have_another_name(client, user, jwt_settings, rf, clock):
    class NamedLoginView(LoginView):
        name_field = "login"

    def sign_in(body, address):
        request = rf.post("/", body, content_type="application/json", REMOTE_ADDR=address)
        return NamedLoginView.as_view()(request).status_code

    jwt_settings(LOGIN_THROTTLE="1/s")
    name = user.get_username()
    assert sign_in({user.USERNAME_FIELD: name, "password": PASSWORD}, "192.0.2.98") == 400
    assert sign_in({"login": name, "password": PASSWORD}, "192.0.2.99") == 200
    wrong = {"login": name, "password": "wrong"}
    assert [sign_in(wrong, f"192.0.2.{number}") for number in range(11)] == [401] * 10 + [429]


def test_a_user_who_is_deleted_before_the_check_is_no_account(client, user, use, monkeypatch):
    class Late(BaseBackend):
        def authenticate(self, request, username=None, password=None):
            found = get_user_model().objects.first()
            get_user_model().objects.all().delete()
            return found if found and found.check_password(password) else None

    monkeypatch.setattr("tests.sessions.test_backends.Usual.authenticate", Late.authenticate)
    use(Usual)
    assert attempt(client, "lic").status_code == 401


def test_a_manager_without_natural_keys_finds_by_the_column(user, monkeypatch):
    manager = Manager()
    manager.model = get_user_model()
    monkeypatch.setitem(vars(get_user_model()._meta), "default_manager", manager)
    assert find_account(user.get_username()).pk == user.pk
    assert users_by_name(user.get_username()) == [user]
    assert users_by_name("nobody") == []


def test_an_outage_does_not_hide_an_account(user):
    with outage(), pytest.raises(OperationalError):
        find_account(user.get_username())
