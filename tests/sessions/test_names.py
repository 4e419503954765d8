"""Login names: each name that Django's own sign-in form accepts signs in here, and no other."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from jwt_auth.management.terminal import find_user
from jwt_auth.sessions.accounts import find_account, fold_name, longest_name
from tests.support.clients import PASSWORD
from tests.support.queries import Queries
from tests.support.selection import THOROUGH

NAMES = {
    "a Persian name": "علی\u200cرضا",
    "a Hindi name": "श्री\u200dमान",
    "a composed emoji": "\U0001f469\u200d\U0001f4bb",
    "a soft hyphen": "jean\u00adluc",
    "a mark for the direction": "\u200fדוד",
    "an emoji of Unicode 15": "\U0001fae8",
    "a ligature": "e\ufb03cient",
    "a control character": "x\x01y",
}


@pytest.fixture
def name_of(make_user):
    """`name_of(text)` returns the name of a new user, with `text` in it, as the model's manager stores it."""

    def make(text):
        return make_user(text).get_username()

    return make


def post(client, name, **extra):
    return client.send("login/", {get_user_model().USERNAME_FIELD: name, "password": PASSWORD, **extra})


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_a_name_that_django_s_form_accepts_signs_in(client, name_of, text):
    name = name_of(text)
    assert AuthenticationForm(None, {"username": name, "password": PASSWORD}).is_valid() == (
        post(client, name).status_code == 200
    )
    assert post(client, f"{name}x").status_code == 401


ODD = st.sampled_from(
    "aAßé\u0301ﬃ½\u200c\u200d\u00ad\u202e\u2028\u00a0\u3000\ufeff\x01\x1f\n\U0001f469\U000e0001\u0378 "
)
TEXTS = st.one_of(st.text(ODD, max_size=12), st.text(max_size=12))


@hypothesis_settings(
    max_examples=150 if THOROUGH else 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(stored=TEXTS, typed=TEXTS | st.none(), long=st.booleans())
def test_django_s_form_and_this_app_find_the_same_user(db, stored, typed, long):
    model = get_user_model()
    model._default_manager.all().delete()
    if long:  # longer than the column, and so not normalized
        stored = stored * 30
    typed = stored if typed is None else typed
    if any(mark in stored for mark in "\0") or any(0xD800 <= ord(mark) <= 0xDFFF for mark in stored + typed):
        return
    try:
        name = model.normalize_username(stored)[: model._meta.get_field(model.USERNAME_FIELD).max_length]
        user = model._default_manager.create_user(**{model.USERNAME_FIELD: name}, password=PASSWORD)
    except ValueError:
        return  # the name is empty
    form = AuthenticationForm(None, {"username": typed, "password": PASSWORD})
    account = find_account(typed) if typed.strip() and "\0" not in typed else None
    assert (account and account.pk) == (form.get_user().pk if form.is_valid() else None)
    assert account is None or account.pk == user.pk


@pytest.mark.parametrize(("name", "status"), [("a\0b", 400), ("\ud800", 400), ("  ", 400), ("nobody", 401)])
def test_a_name_that_no_form_accepts_is_a_bad_request(client, user, name, status):
    body = json.dumps({get_user_model().USERNAME_FIELD: name, "password": PASSWORD})
    assert client.post("/auth/login/", body, content_type="application/json").status_code == status


def test_a_name_may_be_as_long_as_the_column(client, user, monkeypatch):
    field = get_user_model()._meta.get_field(user.USERNAME_FIELD)
    assert longest_name() == 512
    assert post(client, "x" * 513).status_code == 400
    monkeypatch.setattr(field, "max_length", 600)
    assert longest_name() == 600
    assert [post(client, "x" * length).status_code for length in (600, 601)] == [401, 400]


def test_the_fold_does_not_tell_whether_a_user_exists(db):
    with Queries() as queries:
        assert fold_name(" \u200dＡlicé ") == "alice"
    assert queries.statements == []


def test_staff_revoke_a_user_by_the_name_that_signs_in_and_by_the_stored_one(client, staff, make_user):
    """A name that was stored without normalization signs nobody in, but its user may have sessions."""
    bob, carol = make_user("bo\u00e9b"), make_user("carol")
    stored = carol.get_username().replace("o", "\uff4f")
    get_user_model().objects.filter(pk=carol.pk).update(**{carol.USERNAME_FIELD: stored})
    signed_in = client.bearer(client.tokens(staff)["access_token"])
    for name, user in ((bob.get_username().replace("\u00e9", "e\u0301"), bob), (stored, carol)):
        assert signed_in.send("revoke/user/", {"username": name}).json()["user"] in (user.pk, str(user.pk))
        assert find_user(name) == user
    assert signed_in.send("revoke/user/", {"username": "nobody"}).status_code == 404
