"""
R1 to R26: flaws of djangorestframework-simplejwt 5.5.1, each with a test that passes here.

The number is in each test's name; the docstring says what the other library did. The rows about requests that race each
other (R18 to R21) have their single-threaded meaning here, and their proof with threads on databases with row locks in
tests/races.
"""

import subprocess
import sys
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import make_password
from django.core.checks import run_checks
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from jwt_auth import sessions, signals, verification
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_token, revoke_user
from tests.support import forge
from tests.support.clients import PASSWORD

NEW_PASSWORD = "a new horse and a new battery"
DAY = 24 * 3600


def change_password(user, password=NEW_PASSWORD):
    user.set_password(password)
    user.save()


def verify_status(client, token):
    return client.send("verify/", {"token": token}).status_code


def logout(client, token):
    return client.send("logout/", {"refresh_token": token}).status_code


def assert_alive(client, pair):
    assert client.get_me(pair["access_token"]).status_code == 200
    assert verify_status(client, pair["access_token"]) == 200


def assert_gone(client, pair):
    """Assert that access, verify and refresh are each refused with 401."""
    assert verify_status(client, pair["access_token"]) == 401
    assert client.is_dead(pair)


def test_r01_an_access_token_is_dead_once_its_session_is_logged_out(client, pair):
    """There: 200 until exp."""
    assert_alive(client, pair)
    assert logout(client, pair["refresh_token"]) == 204
    assert_gone(client, pair)


def test_r02_logout_can_not_be_switched_off_by_a_missing_app():
    """There: without the denylist's app, logout answered 200 and did nothing. Here the project does not start."""
    code = """
import django
from django.conf import settings
apps = ["django.contrib.auth", "django.contrib.contenttypes", *{extra}]
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=apps, USE_TZ=True)
django.setup()
import jwt_auth.views
"""
    run = [sys.executable, "-c"]
    without = subprocess.run([*run, code.format(extra=[])], capture_output=True, text=True, check=False)
    assert without.returncode != 0
    assert "INSTALLED_APPS" in without.stderr
    installed = code.format(extra=["jwt_auth"])
    assert subprocess.run([*run, installed], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("value", ["off", "", "stateless", None, False])
def test_r03_no_value_of_a_setting_switches_revocation_off(jwt_settings, value):
    """There: without the denylist's app, rotation silently did nothing."""
    jwt_settings(REVOCATION=value)
    assert "jwt_auth.E004" in {message.id for message in run_checks()}


def test_r04_a_new_password_kills_access_refresh_and_verify_by_default(client, pair, user):
    """There: 200, 200 and 200."""
    assert_alive(client, pair)
    change_password(user)
    assert_gone(client, pair)
    assert client.login(user, NEW_PASSWORD).status_code == 200


def test_r05_a_new_password_makes_the_refresh_token_mint_nothing(client, pair, user):
    """There: refresh went on with 200, but every new token was refused with 401: clients went round in circles."""
    change_password(user)
    response = client.refresh(pair["refresh_token"])
    assert response.status_code == 401
    assert response.json()["code"] == "token_revoked"
    assert "access_token" not in response.json()


def test_r05_a_password_written_around_the_signals_is_noticed_as_well(client, pair, user):
    type(user)._default_manager.filter(pk=user.pk).update(password=make_password(NEW_PASSWORD))
    assert_gone(client, pair)


@pytest.mark.parametrize("entry_point", [verification.verify, async_to_sync(verification.averify)])
def test_r06_a_new_password_kills_the_token_also_where_there_is_no_request(client, pair, user, entry_point):
    """There: stateless authentication went on with 200."""
    assert entry_point(pair["access_token"]).user.pk == user.pk
    change_password(user)
    with pytest.raises(RevokedTokenError):
        entry_point(pair["access_token"])


def test_r07_a_hash_upgraded_at_another_devices_login_signs_nobody_out(client, user, clock):
    """There: 401 "password has been changed" on the first device, although it was not."""
    type(user)._default_manager.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="old"))
    user.refresh_from_db()
    first_hash = user.password
    # A session that began under the old hash, as before a release that prefers another hasher.
    started = sessions.start(user)
    first = {"access_token": started.access_token, "refresh_token": started.refresh_token}
    assert_alive(client, first)
    client.tokens(user)
    user.refresh_from_db()
    assert user.password != first_hash  # the control: it was upgraded
    assert_alive(client, first)
    assert client.refresh(first["refresh_token"]).status_code == 200


def test_r08_the_password_check_is_not_a_switch_that_signs_everybody_out_when_turned_on(client, pair, jwt_settings):
    """There: turning it on made every older token 401. Here it is always on, and stricter times spare sessions."""
    jwt_settings(LEEWAY=timedelta(0), ROTATION_GRACE_PERIOD=timedelta(0), ACCESS_TOKEN_LIFETIME=timedelta(seconds=60))
    fresh = client.refresh(pair["refresh_token"])
    assert fresh.status_code == 200
    assert client.get_me(fresh.json()["access_token"]).status_code == 200
    jwt_settings(CHECK_REVOKE_TOKEN=True)
    assert "jwt_auth.E003" in {message.id for message in run_checks()}


@pytest.mark.parametrize("around_signals", [False, True])
def test_r09_a_deactivated_user_is_refused_at_access_refresh_and_verify(client, pair, user, around_signals):
    """There: verify went on with 200."""
    assert_alive(client, pair)
    if around_signals:
        type(user)._default_manager.filter(pk=user.pk).update(is_active=False)
    else:
        user.is_active = False
        user.save()
    assert_gone(client, pair)


def test_r09_a_user_who_is_active_again_has_to_sign_in_again(client, pair, user):
    for is_active in (False, True):
        user.is_active = is_active
        user.save()
    assert_gone(client, pair)
    assert client.login(user).status_code == 200


@pytest.mark.parametrize("operation", ["deactivate", "delete"])
def test_r10_a_refresh_gives_a_gone_user_no_new_token_however_fresh_the_old_one(client, pair, user, operation):
    """There: 200 and a new sliding token."""
    newest = client.refresh(pair["refresh_token"]).json()
    if operation == "delete":
        user.delete()
    else:
        user.is_active = False
        user.save()
    assert_gone(client, newest)


@pytest.mark.parametrize("around_signals", [False, True])
def test_r11_a_deleted_user_is_401_at_access_refresh_and_verify(client, pair, user, around_signals):
    """There: refresh was a 500 and verify 200."""
    assert_alive(client, pair)
    if around_signals:
        UserSession.objects.filter(user_id=user.pk).delete()
        type(user)._default_manager.filter(pk=user.pk)._raw_delete(user._state.db)
    else:
        user.delete()
    assert_gone(client, pair)


@pytest.mark.parametrize("sub", [None, "0", '"0"', '""', "null"])
def test_r12_a_token_without_a_user_passes_no_check_by_having_none(client, pair, sub):
    """There: all user checks were skipped for a refresh token without one, or with user 0."""
    raw = forge.with_claims(pair["access_token"], sub=sub)
    assert client.get_me(raw).status_code == 401
    assert verify_status(client, raw) == 401
    assert client.refresh(raw).status_code == 401


def test_r13_verify_says_of_a_revoked_token_what_a_request_would_be_told(client, pair):
    """There: verify answered 200 for a token on the denylist."""
    assert verify_status(client, pair["access_token"]) == 200
    logout(client, pair["refresh_token"])
    response = client.send("verify/", {"token": pair["access_token"]})
    assert (response.status_code, response.json()["code"]) == (401, "token_revoked")
    assert verify_status(client, pair["refresh_token"]) == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_r14_every_kind_of_token_can_be_used_to_log_out(client, pair, kind):
    """There: no logout endpoint accepted sliding tokens."""
    who = client.bearer(pair[kind])
    assert who.send("logout/").status_code == 204
    assert_gone(client, pair)


def test_r15_an_old_refresh_token_is_never_good_again(client, pair, clock):
    """There: with rotation alone, 200 until exp."""
    client.refresh(pair["refresh_token"])
    clock.shift(61)
    response = client.refresh(pair["refresh_token"])
    assert (response.status_code, response.json()["code"]) == (401, "refresh_token_reused")


def test_r16_a_replayed_refresh_token_kills_its_whole_family(client, pair, clock):
    """There: the newest refresh token and its access tokens went on with 200."""
    newest = client.refresh(pair["refresh_token"]).json()
    clock.shift(61)
    assert_alive(client, newest)
    assert client.refresh(pair["refresh_token"]).status_code == 401
    assert_gone(client, newest)
    assert UserSession.objects.get().revoked_reason == "refresh token reused by 127.0.0.1"


@pytest.mark.django_db(transaction=True)
def test_r16_the_signal_of_a_replay_is_sent(client, make_user, clock):
    heard = []

    def hear(session, presented, expected, **kwargs):
        heard.append((str(session.pk), presented, expected))

    pair = client.tokens(make_user())
    client.refresh(pair["refresh_token"])
    clock.shift(61)
    signals.refresh_token_reused.connect(hear)
    try:
        client.refresh(pair["refresh_token"])
    finally:
        signals.refresh_token_reused.disconnect(hear)
    assert heard == [(pair["session"], 0, 1)]


def test_r17_a_session_that_is_refreshed_every_23_hours_ends_after_30_days(client, pair, clock):
    """There: alive after 399 rounds, with 799 rows."""
    rounds = 0
    while (response := client.refresh(pair["refresh_token"])).status_code == 200:
        pair = response.json()
        rounds += 1
        clock.shift(23 * 3600)
        assert rounds < 40
    assert rounds * 23 * 3600 >= 30 * DAY > (rounds - 1) * 23 * 3600
    assert response.json()["code"] == "token_expired"
    assert_gone(client, pair)
    assert UserSession.objects.count() == 1
    assert RevocationEvent.objects.count() == 0


def test_r18_the_same_token_twice_at_once_gives_one_identical_successor(client, pair):
    """There: two winners in 20 of 20 trials. With threads: tests/races."""
    first, second = (client.refresh(pair["refresh_token"]).json() for _ in range(2))
    assert first["refresh_token"] == second["refresh_token"] != pair["refresh_token"]
    assert first["session"] == second["session"] == pair["session"]
    assert UserSession.objects.get().counter == 1


def test_r19_ten_times_the_same_token_is_still_one_rotation(client, pair):
    """There: 10 winners of 10. With threads: tests/races."""
    successors = {client.refresh(pair["refresh_token"]).json()["refresh_token"] for _ in range(10)}
    assert len(successors) == 1
    assert UserSession.objects.get().counter == 1


def test_r20_one_rotation_with_atomic_requests_too(client, pair, monkeypatch):
    """There: the same winners. With threads: tests/races."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    successors = {client.refresh(pair["refresh_token"]).json()["refresh_token"] for _ in range(5)}
    assert len(successors) == 1
    assert UserSession.objects.get().counter == 1


def test_r21_after_a_logout_no_token_of_the_session_refreshes_not_even_within_the_grace_period(client, pair):
    """There: in 39 of 40 races the session survived its logout. With threads: tests/races."""
    newest = client.refresh(pair["refresh_token"]).json()
    assert logout(client, pair["refresh_token"]) == 204  # the predecessor is enough to end the session
    assert client.refresh(pair["refresh_token"]).status_code == 401
    assert_gone(client, newest)


def clear_expired_rows():
    """Delete what a cleaning command may delete: every row whose own end has passed."""
    now = timezone.now()
    RevocationEvent.objects.filter(expires_at__lt=now).delete()
    UserSession.objects.filter(Q(expires_at__lt=now) | Q(idle_expires_at__lt=now)).delete()


def test_r22_no_revoked_token_comes_back_when_expired_rows_are_cleared(client, pair, clock):
    """There: a revoked sliding token was 200 again once its row was flushed."""
    clock.shift(4 * 60)
    newest = client.refresh(pair["refresh_token"]).json()
    logout(client, newest["refresh_token"])
    for seconds in (2 * 60, 5 * 60, DAY, 13 * DAY, 20 * DAY):
        clock.shift(seconds)
        clear_expired_rows()
        assert_gone(client, newest)
        assert client.is_dead(pair)
    assert not UserSession.objects.exists()  # the control: it was cleared


def test_r22_a_single_denied_token_stays_denied_while_it_could_live(client, pair, user, clock, jwt_settings):
    claims = verification.verify(pair["access_token"]).claims
    other = client.tokens(user)
    revoke_token(claims)
    assert client.get_me(other["access_token"]).status_code == 200  # the control: one token was denied
    jwt_settings(LEEWAY=timedelta(seconds=60))
    for _ in range(40):
        clear_expired_rows()
        assert client.get_me(pair["access_token"]).status_code == 401
        clock.shift(10)
    assert RevocationEvent.objects.count() == 0  # it was cleared once there was nothing left to deny


def test_r23_leeway_does_not_revive_what_was_cleared(client, pair, clock, jwt_settings):
    """There: the flush knew nothing of LEEWAY; denied tokens past exp were 200 again within it."""
    jwt_settings(LEEWAY=timedelta(seconds=60))
    clock.shift(pair["expires_in"] + 30)
    assert client.get_me(pair["access_token"]).status_code == 200  # the control: leeway lets it in
    logout(client, pair["refresh_token"])
    clear_expired_rows()
    assert client.get_me(pair["access_token"]).status_code == 401
    UserSession.objects.all().delete()
    RevocationEvent.objects.all().delete()
    assert client.get_me(pair["access_token"]).status_code == 401


def test_r24_the_end_of_a_replayed_session_is_kept_although_the_answer_is_an_error(client, pair, clock, monkeypatch):
    """There: DRF's handler rolled the denylist's row back under ATOMIC_REQUESTS."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    newest = client.refresh(pair["refresh_token"]).json()
    clock.shift(61)
    assert client.refresh(pair["refresh_token"]).status_code == 401
    assert UserSession.objects.get().revoked_at is not None
    assert RevocationEvent.objects.filter(scope="session").count() == 1
    assert_gone(client, newest)


def test_r25_logout_can_be_repeated_and_takes_expired_tokens(client, pair, clock):
    """There: 401, although RFC 7009 requires a success."""
    assert logout(client, pair["refresh_token"]) == 204
    assert logout(client, pair["refresh_token"]) == 204
    assert client.send("revoke/", {"token": pair["refresh_token"]}).status_code == 200
    clock.shift(31 * DAY)
    assert logout(client, pair["refresh_token"]) == 204
    assert client.bearer(pair["access_token"]).send("logout/").status_code == 204
    assert RevocationEvent.objects.count() == 1


def test_r25_an_expired_access_token_still_ends_its_session(client, pair, clock):
    clock.shift(3600)
    assert client.get_me(pair["access_token"]).status_code == 401
    assert client.bearer(pair["access_token"]).send("logout/").status_code == 204
    assert client.refresh(pair["refresh_token"]).status_code == 401


@pytest.mark.parametrize("operation", ["logout", "user revoked"])
def test_r26_deleting_the_record_of_a_revocation_revives_nothing(client, pair, user, operation):
    """There: deleting the row in the admin made the token live again."""
    if operation == "logout":
        logout(client, pair["refresh_token"])
    else:
        revoke_user(user)
    assert RevocationEvent.objects.all().delete()[0] == 1
    assert_gone(client, pair)
    UserSession.objects.all().delete()
    assert_gone(client, pair)
