"""Lazy instances where Django's undocumented parts differ: each request reads the row of its user."""

import pytest
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import base

from jwt_auth import sessions
from jwt_auth._django import lazy_rows
from jwt_auth._django.differences import note_difference
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.principals import _lazy_rows, lazy_user
from jwt_auth.revocation import revoke_user


def not_made(*_):
    raise TypeError("a class of models has more arguments")


OTHERS = {
    "no such state": (base, "ModelState", None),
    "no such class": (lazy_rows, "_subclass", not_made),
    "no instance of the model": (lazy_rows, "_subclass", lambda model, free, load: type("Other", (), {})),
    "instances that differ": (models.Model, "__hash__", lambda self: id(self)),
    "instances that load": (models.Model, "__eq__", lambda self, other: self.date_of_last_change == other),
}


@pytest.fixture(params=OTHERS.values(), ids=OTHERS)
def other_django(request, monkeypatch):
    note_difference.cache_clear()
    _lazy_rows.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(*request.param)
        _lazy_rows()
    yield
    note_difference.cache_clear()
    _lazy_rows.cache_clear()


@pytest.fixture
def in_memory_mode(jwt_settings):
    jwt_settings(REVOCATION="memory")


def test_the_row_is_read_at_once_with_one_warning(user, caplog, other_django, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = lazy_user(str(user.pk))
    assert type(found) is get_user_model()
    assert found == user
    lazy_user(str(user.pk))
    assert [record.event for record in caplog.get_records("setup")] == ["django_differs"]
    assert caplog.records == []


def test_a_user_who_is_gone_is_refused(user, other_django):
    sub = str(user.pk)
    assert lazy_user(sub)  # the control
    user.delete()
    with pytest.raises(RevokedTokenError):
        lazy_user(sub)


@pytest.mark.django_db(transaction=True)
def test_requests_are_answered_as_ever(client, user, in_memory_mode, other_django):
    pair = sessions.start(user)
    assert client.get_me(pair.access_token).status_code == 200
    revoke_user(user)
    assert client.get_me(pair.access_token).status_code == 401
