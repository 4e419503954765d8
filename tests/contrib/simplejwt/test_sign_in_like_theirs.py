"""The answers of a sign-in are those of simplejwt: status, body and headers, except for the differences named here."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework import exceptions as drf
from rest_framework_simplejwt import serializers as theirs, views as their_views

from jwt_auth.contrib.simplejwt import sign_in as ours
from tests.support.clients import PASSWORD

NAME = get_user_model().USERNAME_FIELD


def refusing(base):
    """Return a serializer that refuses as the body says."""

    class Serializer(base):
        def validate(self, attrs):
            data = super().validate(attrs)
            error = self.context["request"].data.get("error")
            if error is not None:
                raise ERRORS[error]
            data["name"] = self.user.get_username()
            return data

    return Serializer


ERRORS = {
    "invalid": drf.ValidationError("No.", code="no"),
    "field": drf.ValidationError({"plan": ["No."]}),
    "list": drf.ValidationError(["No.", "Never."]),
    "failed": drf.AuthenticationFailed("No.", code="no"),
    "failed-dict": drf.AuthenticationFailed({"detail": "No.", "code": "no"}),
    "denied": drf.PermissionDenied(),
    "missing": drf.NotFound(),
}

urlpatterns = [
    path(f"{name}/{kind}/", view.as_view(serializer_class=serializer))
    for name, module, view in (
        ("ours", ours, ours.TokenObtainPairView),
        ("theirs", theirs, their_views.TokenObtainPairView),
    )
    for kind, serializer in (
        ("plain", module.TokenObtainPairSerializer),
        ("refusing", refusing(module.TokenObtainPairSerializer)),
    )
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings, settings):
    jwt_settings(SIMPLEJWT={})
    settings.REST_FRAMEWORK = {}
    settings.SECRET_KEY = "a long key, so that PyJWT does not warn" * 2


@pytest.fixture
def both(client):
    """`both(path, body)` returns what each of them answers to a request, as far as it has to be the same."""

    def send(path, body, method="post", **extra):
        answers = [client.send(f"/{which}{path}", body, method, **extra) for which in ("ours", "theirs")]
        return [
            (answer.status_code, answer.json() if answer.content else None, shown(answer.headers)) for answer in answers
        ]

    return send


def shown(headers):
    # `no-store` is ours. The length follows from the body.
    return {name: value for name, value in headers.items() if name not in ("Cache-Control", "Content-Length")}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {NAME: "alice"},
        {"password": "x"},
        {NAME: "", "password": ""},
        {NAME: None, "password": None},
        {NAME: [], "password": {}},
        {NAME: True, "password": False},
        {NAME: 7, "password": 8},
        {NAME: "nobody@example.com", "password": PASSWORD},
        {NAME: "x" * 1000, "password": "y"},
        {NAME: "\N{GRINNING FACE}", "password": "y"},
        {NAME: "a\0b", "password": "a\0b"},
        [],
        "text",
        7,
        None,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_the_same_refusals(user, both, body):
    answer, their_answer = both("/plain/", body)
    assert answer == their_answer
    assert answer[0] in (400, 401)


@pytest.mark.parametrize("is_active", [True, False])
def test_the_same_for_wrong_passwords_and_inactive_users(make_user, both, is_active):
    name = make_user(is_active=is_active).get_username()
    for password in ("wrong", PASSWORD):
        answer, their_answer = both("/plain/", {NAME: name, "password": password})
        if (is_active, password) != (True, PASSWORD):
            assert answer == their_answer
            assert answer[0] == 401
        else:
            assert (answer[0], answer[2], list(answer[1])) == (200, their_answer[2], list(their_answer[1]))


@pytest.mark.parametrize("error", ERRORS)
def test_the_same_for_what_a_project_raises(user, both, error):
    answer, their_answer = both("/refusing/", {NAME: user.get_username(), "password": PASSWORD, "error": error})
    assert answer == their_answer
    assert answer[0] >= 400


def test_the_same_order_of_an_answer(user, both):
    (status, body, _), (_, their_body, _) = both("/refusing/", {NAME: user.get_username(), "password": PASSWORD})
    assert status == 200
    assert list(body) == list(their_body) == ["refresh", "access", "name"]


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_the_same_for_other_methods(both, method):
    answer, their_answer = both("/plain/", {}, method)
    assert answer == their_answer
    assert answer[0] == 405


@pytest.mark.parametrize(
    ("content", "kind"),
    [("{", "application/json"), ("<a/>", "text/xml"), ("a=%ff&b", "application/x-www-form-urlencoded")],
)
def test_the_same_for_bodies_that_cannot_be_read(client, db, content, kind):
    answers = [client.post(f"/{which}/plain/", content, content_type=kind) for which in ("ours", "theirs")]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert answers[0].status_code in (400, 415)


def test_the_same_fields():
    for kind in ("TokenObtainSerializer", "TokenObtainPairSerializer"):
        ours_has, theirs_has = (getattr(module, kind)() for module in (ours, theirs))
        assert list(ours_has.fields) == list(theirs_has.fields)
        assert ours_has.username_field == theirs_has.username_field
        assert {each: field.write_only for each, field in ours_has.fields.items()} == dict.fromkeys(
            ours_has.fields, True
        )
        assert ours_has.fields["password"].style == theirs_has.fields["password"].style
        assert ours_has.error_messages == theirs_has.error_messages


def test_a_difference_the_password_is_not_trimmed(make_user, both):
    """Django's own form does not trim it, so it is part of what users chose."""
    name = make_user(password=f"{PASSWORD} ").get_username()
    answer, their_answer = both("/plain/", {NAME: name, "password": f"{PASSWORD} "})
    assert (answer[0], their_answer[0]) == (200, 401)
