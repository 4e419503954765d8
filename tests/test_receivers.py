"""Saves and deletions of users: the ones that revoke by themselves, the ones that don't, and the log."""

import uuid
from contextvars import Context
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_save, pre_delete, pre_save

from jwt_auth import receivers, sessions
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from tests.support.clients import PASSWORD
from tests.support.outages import outage

NEW_PASSWORD = "a quite different password"


def events():
    return list(RevocationEvent.objects.order_by("pk").values_list("scope", "reason"))


def load(user):
    return get_user_model().objects.get(pk=user.pk)


def outdate(user):
    """Give the user a hash that the next sign-in upgrades."""
    get_user_model().objects.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="old"))


# Passwords


def test_a_new_password_is_recorded_as_the_cause(user):
    user.set_password(NEW_PASSWORD)
    user.save()
    assert events() == [("user", "password changed")]


@pytest.mark.parametrize("fields", [None, ["password"]])
def test_a_hash_that_is_assigned_is_a_new_password(client, user, fields):
    """A hash does not show its password, so it must not be taken for the old one."""
    pair = client.tokens(user)
    user = load(user)
    user.password = make_password(PASSWORD)
    user.save(update_fields=fields)
    assert events() == [("user", "password changed")]
    assert client.is_dead(pair)


def test_the_upgrade_of_an_outdated_hash_at_a_sign_in_signs_nobody_out(client, user):
    outdate(user)
    phone = sessions.start(load(user))  # with the old hash, as in a process with the old settings
    laptop = client.tokens(user)
    assert load(user).password.startswith("md5$")
    assert client.get_me(phone.access_token).status_code == 200
    assert client.refresh(phone.refresh_token).status_code == 200
    assert not client.is_dead(laptop)
    assert events() == []


def test_a_new_password_over_an_outdated_hash_is_no_upgrade(client, user):
    outdate(user)
    phone = sessions.start(load(user))
    changed = load(user)
    changed.set_password(NEW_PASSWORD)
    changed.save(update_fields=["password"])
    assert client.get_me(phone.access_token).status_code == 401
    assert client.refresh(phone.refresh_token).status_code == 401
    assert events() == [("user", "password changed")]


def test_an_upgrade_does_not_revive_sessions_of_a_former_password(client, user):
    former = client.tokens(user)
    get_user_model().objects.filter(pk=user.pk).update(password=make_password(NEW_PASSWORD, hasher="old"))
    assert client.is_dead(former)
    assert client.login(user, NEW_PASSWORD).status_code == 200
    assert client.is_dead(former)


@pytest.mark.parametrize("overtaken", [False, True])
def test_an_upgrade_gives_sessions_of_a_former_password_no_hash_of_the_new_one(client, user, overtaken):
    """`QuerySet.update()` changes the password after Django has written the upgrade, and before it is settled."""
    outdate(user)
    phone = sessions.start(load(user))
    changes = []

    def change_after_the_upgrade(execute, sql, parameters, many, context):
        result = execute(sql, parameters, many, context)
        table = get_user_model()._meta.db_table
        if overtaken and not changes and sql.startswith("UPDATE") and table in sql and "password" in sql:
            changes.append(sql)
            get_user_model().objects.filter(pk=user.pk).update(password=make_password(NEW_PASSWORD))
        return result

    with connection.execute_wrapper(change_after_the_upgrade):
        assert load(user).check_password(PASSWORD)  # as Django's own sign-in does
    assert len(changes) == overtaken
    assert load(user).check_password(NEW_PASSWORD if overtaken else PASSWORD)
    status = 401 if overtaken else 200
    assert client.get_me(phone.access_token).status_code == status
    assert client.refresh(phone.refresh_token).status_code == status


def test_an_upgrade_carries_sessions_that_began_under_a_former_secret_key(client, user, settings):
    outdate(user)
    phone = sessions.start(load(user))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, also long enough for Django's own checks to be content"
    client.tokens(user)
    assert client.refresh(phone.refresh_token).status_code == 200


def test_a_save_that_failed_leaves_nothing_behind(client, user):
    pair = client.tokens(user)
    changed = load(user)
    changed.set_password(NEW_PASSWORD)
    with outage(of=lambda sql: sql.startswith("UPDATE")), pytest.raises(OperationalError), transaction.atomic():
        changed.save()
    changed.save(update_fields=["last_login"])
    assert events() == []
    assert not client.is_dead(pair)


class LateBackend(ModelBackend):
    """A backend that reads the user, calls `meanwhile` as another process, and only then checks the password; once."""

    meanwhile = None

    def authenticate(self, request, username=None, password=None, **kwargs):
        user = get_user_model()._default_manager.get_by_natural_key(username or kwargs[get_user_model().USERNAME_FIELD])
        elsewhere, LateBackend.meanwhile = LateBackend.meanwhile, None
        if elsewhere:
            Context().run(elsewhere)
        return user if user.check_password(password) else None


@pytest.fixture
def late_backend(settings):
    settings.AUTHENTICATION_BACKENDS = ["tests.test_receivers.LateBackend"]
    yield LateBackend
    LateBackend.meanwhile = None


def test_a_sign_in_whose_hash_another_has_just_upgraded_upgrades_nothing(client, user, late_backend):
    outdate(user)
    phone = sessions.start(load(user))
    late_backend.meanwhile = lambda: load(user).check_password(PASSWORD)
    pair = client.tokens(user)
    assert late_backend.meanwhile is None
    assert events() == []
    assert client.get_me(phone.access_token).status_code == 200
    assert not client.is_dead(pair)


def test_a_sign_in_that_would_upgrade_does_not_bring_a_changed_password_back(client, user, late_backend):
    outdate(user)

    def change():
        changed = load(user)
        changed.set_password(NEW_PASSWORD)
        changed.save()

    late_backend.meanwhile = change
    assert client.login(user).status_code == 401
    assert load(user).check_password(NEW_PASSWORD)
    assert client.login(user, NEW_PASSWORD).status_code == 200


def test_an_upgrade_touches_no_other_user(client, user, make_user):
    bob = make_user("bob")
    pair = client.tokens(bob)
    hashes = UserSession.objects.filter(user=bob).values_list("auth_hash", flat=True)
    before = list(hashes)
    outdate(user)
    client.tokens(user)
    assert list(hashes) == before
    assert not client.is_dead(pair)


# Saves that revoke nothing


@pytest.mark.parametrize(
    "options", [{}, {"update_fields": ["last_login"]}, {"update_fields": ["is_active"]}, {"update_fields": []}]
)
def test_saving_a_user_as_it_was_revokes_nothing(client, user, options):
    pair = client.tokens(user)
    load(user).save(**options)
    assert events() == []
    assert not client.is_dead(pair)


def test_a_new_user_and_a_reactivated_one_are_no_cause(user, make_user):
    make_user("bob", is_active=False)
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    inactive = load(user)
    inactive.is_active = True
    inactive.save()
    assert events() == []


@pytest.mark.parametrize(
    ("assigned", "saved"), [("password", "last_login"), ("password", "is_active"), ("is_active", "password")]
)
def test_what_is_assigned_and_not_saved_is_no_cause(client, user, assigned, saved):
    pair = client.tokens(user)
    changed = load(user)
    setattr(changed, assigned, {"password": make_password(NEW_PASSWORD), "is_active": False}[assigned])
    changed.save(update_fields=[saved])
    assert events() == []
    assert not client.is_dead(pair)


def test_a_row_that_is_restored_counts_as_any_other(user):
    """loaddata, and packages that keep versions, write rows as they were saved: `raw`."""
    user.save_base(raw=True)
    assert events() == []
    user.set_password(NEW_PASSWORD)
    user.save_base(raw=True)
    assert events() == [("user", "password changed")]


def test_an_instance_with_the_key_of_a_row_changes_that_row(user):
    changed = type(user)(pk=user.pk, **{user.USERNAME_FIELD: user.get_username()})
    changed.set_password(NEW_PASSWORD)
    changed.save(force_update=True)
    assert events() == [("user", "password changed")]


def test_a_new_row_with_a_key_of_its_own_revokes_nothing(user):
    model = type(user)
    new = model(
        pk=uuid.uuid4() if isinstance(user.pk, uuid.UUID) else user.pk + 1000, **{user.USERNAME_FIELD: "n@x.org"}
    )
    new.set_password(NEW_PASSWORD)
    new.save()
    assert events() == []


# Status


def test_a_deactivation_is_recorded_as_the_cause_and_once(user):
    for _ in range(2):
        user.is_active = False
        user.save()
    assert events() == [("user", "user deactivated")]


def test_a_deletion_is_recorded_for_each_user_of_a_query(make_user):
    for name in ("alice", "bob", "carol"):
        make_user(name)
    get_user_model().objects.all().delete()
    assert events() == [("user", "user deleted")] * 3


@pytest.fixture
def proxy():
    """A proxy of the user model, as if it existed since the apps were loaded; removed after the test."""
    meta = type("Meta", (), {"proxy": True, "app_label": "jwt_auth"})
    model = type("Proxy", (get_user_model(),), {"__module__": __name__, "Meta": meta})
    receivers.connect()
    yield model
    del apps.all_models["jwt_auth"]["proxy"]
    apps.clear_cache()


def test_a_proxy_of_the_user_model_is_watched_as_well(client, user, proxy):
    pair = client.tokens(user)
    changed = proxy.objects.get(pk=user.pk)
    changed.is_active = False
    changed.save()
    assert events() == [("user", "user deactivated")]
    assert client.is_dead(pair)


@pytest.mark.django_db(transaction=True)
def test_a_password_change_that_is_rolled_back_revokes_nothing(client, user):
    pair = client.tokens(user)
    changed = load(user)
    changed.set_password(NEW_PASSWORD)
    try:
        with transaction.atomic():
            changed.save()
            raise LookupError
    except LookupError:
        pass
    assert events() == []
    assert not client.is_dead(pair)


# The log


def lines(records):
    return [(record.levelname, record.getMessage()) for record in records]


@pytest.mark.django_db(transaction=True)
def test_each_step_of_a_session_is_logged_without_its_secrets(client, user, log):
    pair = client.tokens(user)
    newer = client.refresh(pair["refresh_token"]).json()
    client.send("logout/", {"refresh_token": newer["refresh_token"]})
    sid = pair["session"]
    session = UserSession.objects.get()
    assert lines(log()) == [
        ("INFO", f"Session {sid} of user {user.pk} started."),
        ("DEBUG", f"Session {sid} refreshed."),
        ("INFO", f"Revoked: session {session.sid} (logout)."),
    ]
    started = log()[0]
    assert (started.sid, started.user_id, started.ip_address) == (session.sid, str(user.pk), "127.0.0.1")
    text = "".join(f"{record.getMessage()}{vars(record)}" for record in log())
    for secret in (session.handle, session.auth_hash, pair["access_token"], newer["refresh_token"], PASSWORD):
        assert secret not in text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("counter", "level"), [(5, "WARNING"), (0, "CRITICAL")])
def test_a_reuse_is_a_warning_and_a_counter_that_we_never_gave_out_an_alarm(client, user, log, counter, level):
    token = client.refresh(client.tokens(user)["refresh_token"]).json()["refresh_token"]
    UserSession.objects.update(counter=counter, rotated_at=None)
    client.refresh(token)
    text = f"Refresh token 1 of session {UserSession.objects.get().pk} was presented, but {counter} was expected"
    assert [line for line in lines(log()) if line[0] == level] == [(level, f"{text}; the session has been ended.")]


@pytest.mark.django_db(transaction=True)
def test_each_operation_is_logged_with_who_did_it_and_why(client, user, log):
    session = UUID(client.tokens(user)["session"])
    for operation in (
        lambda: revoke_session(session, reason="stolen", actor=user),
        lambda: revoke_user(user, reason="stolen", actor=user),
        lambda: revoke_all(reason="stolen", actor=user),
    ):
        operation()
        assert (log()[-1].levelname, log()[-1].actor, log()[-1].reason) == ("INFO", str(user.pk), "stolen")


def test_a_copy_of_the_user_in_another_database_is_not_the_user(client, user):
    pair = client.tokens(user)
    user.is_active = False
    pre_save.send(type(user), instance=user, raw=False, using="elsewhere", update_fields=None)
    post_save.send(type(user), instance=user, created=False, raw=False, using="elsewhere", update_fields=None)
    pre_delete.send(type(user), instance=user, using="elsewhere")
    assert events() == []
    assert not client.is_dead(pair)


def test_saving_an_instance_whose_row_is_gone_revokes_nobody(user):
    stale = load(user)
    get_user_model()._base_manager.filter(pk=user.pk).delete()
    before = len(events())
    stale.set_password(NEW_PASSWORD)
    stale.save()
    assert len(events()) == before
