"""ADMIN_ENDPOINTS_MAX_AGE and ADMIN_ENDPOINTS_AMR: the endpoints for staff ask for a fresh or stronger sign-in."""

from datetime import timedelta

import pytest
from django.urls import path
from rest_framework.authentication import SessionAuthentication

from jwt_auth import sessions
from jwt_auth.authentication import UserOrClientJWTAuthentication
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.models import RegisteredClient
from jwt_auth.views.clients import ClientsView
from tests.support.answers import assert_error
from tests.support.api_clients import register
from tests.urls import urlpatterns as usual_urls

DERIVED = [SessionAuthentication, UserOrClientJWTAuthentication]
urlpatterns = [*usual_urls, path("derived/", ClientsView.as_view(authentication_classes=DERIVED))]

CODE = "insufficient_user_authentication"


@pytest.fixture(autouse=True)
def _demanding(jwt_settings, clock):
    jwt_settings(ADMIN_ENDPOINTS_MAX_AGE=timedelta(seconds=60), ADMIN_ENDPOINTS_AMR=["otp"])


def requests_of_staff(user, client_id, kid):
    """Return a request to each endpoint for staff; those that end something come last."""
    one = f"clients/{client_id}/"
    return [
        ("get", "clients/", None, 200),
        ("post", "clients/", {"client_name": "a", "username": user.get_username()}, 201),
        ("get", one, None, 200),
        ("patch", one, {"client_name": "b"}, 200),
        ("get", f"{one}keys/", None, 200),
        ("post", f"{one}keys/", {}, 201),
        ("post", f"{one}keys/{kid}/rotate/", {}, 201),
        ("delete", f"{one}keys/{kid}/", None, 204),
        ("post", f"{one}revoke/", {}, 200),
        ("delete", one, None, 204),
        ("post", "revoke/user/", {"username": user.get_username()}, 200),
        ("post", "revoke/global/", {"sub_id": {"format": "opaque", "id": user_id_of(user)}}, 204),
    ]


def test_each_endpoint_for_staff_asks_for_such_a_sign_in(client, clock, user, staff, api):
    requests = requests_of_staff(user, api.client_id, api.key.kid)
    old = client.bearer(sessions.start(staff, amr=["pwd"]).access_token)
    clock.shift(61)
    for method, url, body, _ in requests:
        refused = old.send(url, body, method=method)
        assert_error(refused, 401, CODE)
        assert refused["WWW-Authenticate"] == (f'Bearer realm="api", error="{CODE}", max_age="60", amr_values="otp"'), (
            url
        )
    assert RegisteredClient.objects.count() == 1
    # The control: what users do to their own sessions needs no such sign-in.
    assert old.get("/auth/sessions/").status_code == old.get("/auth/me/clients/").status_code == 200
    good = client.bearer(sessions.start(staff, amr=["pwd", "otp"]).access_token)
    for method, url, body, status in requests:
        assert good.send(url, body, method=method).status_code == status, url
    assert old.send("logout/all/", {}).status_code == 204


def test_each_setting_counts_alone_and_by_default_none_does(client, clock, staff, jwt_settings):
    bearers = [client.bearer(sessions.start(staff, amr=amr).access_token) for amr in (["pwd"], ["otp"])]

    def statuses():
        return [bearer.get("/auth/clients/").status_code for bearer in bearers]

    jwt_settings(ADMIN_ENDPOINTS_MAX_AGE=None)
    assert statuses() == [401, 200]
    jwt_settings(ADMIN_ENDPOINTS_AMR=[], ADMIN_ENDPOINTS_MAX_AGE=timedelta(seconds=60))
    assert statuses() == [200, 200]
    clock.shift(61)
    assert statuses() == [401, 401]
    jwt_settings(ADMIN_ENDPOINTS_MAX_AGE=None)
    assert statuses() == [200, 200]


def test_users_without_the_permission_are_not_asked_to_sign_in(client, user):
    bearer = client.bearer(sessions.start(user).access_token)
    for method, url, body in (("get", "clients/", None), ("post", "revoke/user/", {}), ("post", "revoke/global/", {})):
        assert_error(bearer.send(url, body, method=method), 403, "permission_denied")


@pytest.mark.urls(__name__)
def test_a_client_goes_on_and_a_session_of_django_is_not_enough(client, user, staff):
    robot = register(staff, scopes="clients revoke_user")
    assert client.bearer(robot.token()).get("/derived/").status_code == 200
    body = {"sub_id": {"format": "opaque", "id": user_id_of(user)}}
    assert client.bearer(robot.token()).send("revoke/global/", body).status_code == 204
    client.force_login(staff)
    assert_error(client.get("/derived/"), 401, CODE)


def test_the_log_has_the_reason(client, log, staff):
    assert client.bearer(sessions.start(staff).access_token).get("/auth/clients/").status_code == 401
    (record,) = [record for record in log() if record.event == "sign_in_demanded"]
    assert (record.reason, record.path) == ("the token has no amr", "/auth/clients/")
