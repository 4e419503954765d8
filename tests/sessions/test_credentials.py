"""Names, backends and hashes at sign-in."""

import logging

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.views.debug import ExceptionReporter

from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.signals import session_started
from tests.hashers import OldHasher
from tests.support.clients import PASSWORD


def outdate(user):
    get_user_model().objects.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="old"))
    user.refresh_from_db()


class NamedBackend(ModelBackend):
    """A backend with the signature that Django's sign-in form calls."""

    def authenticate(self, request, username, password):
        return super().authenticate(request, username, password)


class GuardingBackend(ModelBackend):
    """A backend that turns every exception into a refusal, as some backends do."""

    def authenticate(self, *args, **kwargs):
        try:
            return super().authenticate(*args, **kwargs)
        except Exception:  # noqa: BLE001  # that is what this one is for
            return None


class FailingBackend(ModelBackend):
    def authenticate(self, request, **credentials):
        raise RuntimeError("the directory is down")


def use(settings, backend):
    settings.AUTHENTICATION_BACKENDS = [f"{backend.__module__}.{backend.__qualname__}"]


@pytest.mark.parametrize("backend", [ModelBackend, NamedBackend, GuardingBackend])
def test_backends_are_called_as_django_s_own_form_calls_them(client, user, settings, backend):
    use(settings, backend)
    assert client.login(user).status_code == 200
    assert client.login(user, "wrong").status_code == 401


@pytest.mark.parametrize("backend", [ModelBackend, GuardingBackend])
def test_a_hash_is_upgraded_though_a_backend_catches_everything(client, user, settings, backend):
    use(settings, backend)
    outdate(user)
    assert client.login(user).status_code == 200
    assert not get_user_model().objects.get(pk=user.pk).password.startswith("old")


def test_an_unusable_password_over_an_outdated_hash_is_no_upgrade(client, user):
    pair = client.tokens(user)
    outdate(user)
    pair = client.tokens(user)
    user.refresh_from_db()
    outdate(user)
    user.set_password(None)
    user.save(update_fields=["password"])
    assert client.is_dead(pair)
    assert RevocationEvent.objects.filter(reason="password changed").exists()


def test_an_inactive_user_s_right_password_counts_as_a_failure(client, user, settings, jwt_settings, clock):
    """This holds even if a backend accepts inactive users."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    jwt_settings(LOGIN_THROTTLE="1/s")
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    answers = [client.send("login/", body, REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(11)]
    assert answers == [401] * 10 + [429]


@pytest.mark.parametrize(("error", "status"), [(PermissionDenied("not at night"), 403), (RuntimeError("bug"), 500)])
def test_a_receiver_that_refuses_the_sign_in_leaves_no_session(client, user, error, status):
    def refuse(**kwargs):
        raise error

    user_logged_in.connect(refuse)
    try:
        assert client.login(user).status_code == status
    finally:
        user_logged_in.disconnect(refuse)
    assert UserSession.objects.get().revoked_reason == "sign-in refused"
    assert client.login(user).status_code == 200


def test_receivers_find_the_user_on_the_request(client, user):
    found = []

    def look(request, **kwargs):
        found.append(request.user)

    user_logged_in.connect(look)
    client.tokens(user)
    user_logged_in.disconnect(look)
    assert found == [user]


def test_a_crash_in_a_backend_reports_no_password(client, user, settings):
    use(settings, FailingBackend)
    client.raise_request_exception = True
    with pytest.raises(RuntimeError) as caught:
        client.login(user)
    report = ExceptionReporter(None, caught.type, caught.value, caught.tb).get_traceback_html()
    ours = report[report.index("jwt_auth/views/users.py") :]
    assert "the directory is down" in report
    assert PASSWORD not in ours.partition("tests/sessions/test_credentials.py")[0]


@pytest.mark.skipif(not hasattr(get_user_model(), "first_name"), reason="the user model has no first_name")
def test_a_user_whom_the_project_hides_is_signed_out(client, user, make_user, monkeypatch):
    class VisibleManager(type(get_user_model()._default_manager)):
        def get_queryset(self):
            return super().get_queryset().exclude(first_name="deleted")

    manager = VisibleManager()
    manager.model = get_user_model()
    monkeypatch.setitem(vars(get_user_model()._meta), "default_manager", manager)
    pair = client.tokens(user)
    assert not client.is_dead(pair)
    get_user_model().objects.filter(pk=user.pk).update(first_name="deleted")
    assert client.is_dead(pair)


def test_an_address_that_fails_to_sign_in_is_logged_and_a_name_is_not(client, user, caplog):
    with caplog.at_level(logging.INFO, logger="jwt_auth"):
        client.login(user, "wrong", label="x")
    (record,) = [record for record in caplog.records if record.name == "jwt_auth"]
    assert record.ip_address == "127.0.0.1"
    assert user.get_username() not in str(vars(record))


@pytest.mark.parametrize("name", ["x", "1" * 400, "1e5", " "])
def test_a_name_that_the_field_can_not_hold_is_nobody_s(client, user, monkeypatch, name):
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "id")
    assert client.send("login/", {"id": name, "password": PASSWORD}).status_code in {400, 401}
    assert client.send("login/", {"id": str(user.pk), "password": PASSWORD}).status_code == 200


class RevokingBackend(ModelBackend):
    """A backend that revokes the user between the password check and the session, the first time."""

    done = False

    def authenticate(self, request, **credentials):
        user = super().authenticate(request, **credentials)
        if user and not RevokingBackend.done:
            RevokingBackend.done = True
            revoke_user(user)
        return user


def test_a_sign_in_that_a_revocation_overtakes_is_checked_again(client, user, settings, monkeypatch, clock):
    monkeypatch.setattr(RevokingBackend, "done", False)
    use(settings, RevokingBackend)
    pair = client.tokens(user)
    assert RevokingBackend.done
    assert UserSession.objects.count() == 1
    assert not client.is_dead(pair)


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_deleted_while_signing_in_gets_401_and_no_session(client, make_user):
    def delete(session, **kwargs):
        get_user_model()._base_manager.filter(pk=session.user_id).delete()

    bob = make_user("bob")
    session_started.connect(delete)
    try:
        assert client.login(bob).status_code == 401
    finally:
        session_started.disconnect(delete)
    assert not UserSession.objects.exists()


def test_a_user_who_is_deleted_while_the_hash_is_upgraded_is_nobody(client, make_user, monkeypatch):
    bob, carol = make_user("bob"), make_user("carol")
    outdate(bob)
    outdate(carol)
    verify = OldHasher.verify

    def delete_and_verify(self, *arguments):
        get_user_model().objects.filter(pk=bob.pk).delete()
        return verify(self, *arguments)

    assert client.login(carol).status_code == 200
    monkeypatch.setattr(OldHasher, "verify", delete_and_verify)
    answer = client.login(bob)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
