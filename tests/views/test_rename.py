"""Users rename their own live sessions, and nothing else of them."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session, revoke_user
from tests.support.answers import assert_error
from tests.support.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def signed_in(client, user):
    return client.bearer(client.tokens(user, label="laptop")["access_token"])


def rename(caller, session_id, body):
    return caller.send(f"sessions/{session_id}/", body, "patch")


@pytest.mark.parametrize("kind", ["bearer", "cookie"])
def test_a_session_is_renamed_and_nothing_else_of_it_changes(user, signed_in, kind):
    caller = signed_in if kind == "bearer" else Browser().sign_in(user)
    other = sessions.start(user, label="phone").session_id
    before = UserSession.objects.filter(pk=other).values().get()
    answer = rename(caller, other, {"label": " Zoë\u2019s phone ", "counter": 7, "unknown": 1})
    assert answer.status_code == 200
    listed = {row["id"]: row for row in caller.send("sessions/", method="get").json()["results"]}
    assert answer.json() == listed[str(other)]
    assert (answer.json()["label"], answer.json()["current"]) == ("Zoë\u2019s phone", False)
    assert UserSession.objects.filter(pk=other).values().get() == {**before, "label": "Zoë\u2019s phone"}
    own = caller.get(f"/auth{'' if kind == 'bearer' else '/browser'}/me/").json()["session"]
    assert rename(caller, own, {"label": ""}).json()["current"] is True
    assert UserSession.objects.get(pk=own).label == ""


@pytest.mark.parametrize(
    "body", [{}, {"label": None}, {"label": 7}, {"label": "x" * 101}, {"label": "a\nb"}, {"label": "a\u202eb"}, []]
)
def test_a_label_is_one_short_line(user, signed_in, body):
    own = UserSession.objects.get().pk
    assert_error(rename(signed_in, own, body), 400, "invalid_request")
    assert UserSession.objects.get().label == "laptop"
    assert rename(signed_in, own, {"label": "x" * 100}).status_code == 200


ENDED = {
    "revoked": lambda session: revoke_session(session.pk),
    "over": lambda session: UserSession.objects.filter(pk=session.pk).update(idle_expires_at=timezone.now()),
    "before a cutoff": lambda session: UserSession.objects.filter(pk=session.pk).update(
        started_at=timezone.now() - timedelta(hours=1)
    ),
}


@pytest.mark.parametrize("end", ENDED)
def test_a_session_that_has_ended_keeps_its_name(client, user, end):
    revoke_user(user, at=timezone.now() - timedelta(minutes=1))
    caller = client.bearer(client.tokens(user)["access_token"])
    session = UserSession.objects.get(pk=sessions.start(user, label="phone").session_id)
    assert rename(caller, session.pk, {"label": "phone"}).status_code == 200
    ENDED[end](session)
    assert_error(rename(caller, session.pk, {"label": "ghost"}), 404, "not_found")
    assert UserSession.objects.get(pk=session.pk).label == "phone"


def test_nobody_renames_the_session_of_another(make_user, signed_in):
    bobs = sessions.start(make_user("bob"), label="tablet").session_id
    for session_id in (bobs, uuid.uuid4()):
        assert_error(rename(signed_in, session_id, {"label": "mine"}), 404, "not_found")
    assert UserSession.objects.get(pk=bobs).label == "tablet"


def test_a_session_that_ends_meanwhile_stays_ended_and_keeps_its_name(user, signed_in):
    other = sessions.start(user, label="phone").session_id
    done = []

    def overtake(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not done:
            done.append(None)
            done[0] = revoke_session(other)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        assert_error(rename(signed_in, other, {"label": "ghost"}), 404, "not_found")
    session = UserSession.objects.get(pk=other)
    assert (done, session.label) == ([True], "phone")
    assert session.revoked_at is not None


def test_renames_are_counted_as_the_ends_of_sessions_are(user, signed_in, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"jwt_auth_user": "2/min"}}
    own = UserSession.objects.get().pk
    statuses = [rename(signed_in, own, {"label": "desk"}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert signed_in.send(f"sessions/{own}/", method="delete").status_code == 429


def test_the_data_of_a_session_is_in_no_answer_and_in_no_record(client, user, signed_in, log):
    data = {"organisation": "secret-circle"}
    pair = sessions.start(user, data=data)
    caller = client.bearer(pair.access_token)
    answers = [
        caller.send("sessions/", method="get"),
        rename(caller, pair.session_id, {"label": "phone"}),
        caller.send("me/", method="get"),
        client.refresh(pair.refresh_token),
        caller.send(f"sessions/{pair.session_id}/", method="delete"),
        client.refresh(pair.refresh_token),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 204, 401]
    assert "secret-circle" not in "".join(answer.content.decode() for answer in answers)
    assert len(log()) > 3
    assert "secret-circle" not in "".join(f"{record.getMessage()} {vars(record)}" for record in log())
    assert UserSession.objects.get(pk=pair.session_id).data == data
