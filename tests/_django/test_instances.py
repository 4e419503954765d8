"""Instances that are made in a shorter way than Django's."""

import pytest
from django.db.models.signals import post_init, pre_init

from jwt_auth import clients
from jwt_auth._django import instances
from jwt_auth._django.instances import copy_with, from_row
from jwt_auth.models import RevocationEvent


@pytest.mark.django_db
def test_a_copy_differs_only_in_the_related_objects_that_it_is_given(user, django_assert_num_queries):
    client = clients.register("reports", user)
    other = type(user)(pk=user.pk)
    copied = copy_with(client, user=other)
    with django_assert_num_queries(0):
        assert copied.user is other
        assert client.user is user
    assert type(copied) is type(client)
    assert {**vars(copied), "_state": 0} == {**vars(client), "_state": 0}
    assert type(copied._state) is type(client._state)
    assert {**vars(copied._state), "fields_cache": 0} == {**vars(client._state), "fields_cache": 0}
    copied.name = "changed"
    assert client.name == "reports"


COLUMNS = {"id": 7, "scope": "all", "subject": "x"}


def made():
    return from_row(RevocationEvent, "default", list(COLUMNS), list(COLUMNS.values()))


def test_an_instance_of_a_row_is_what_django_makes_of_it():
    own, theirs = made(), RevocationEvent.from_db("default", list(COLUMNS), list(COLUMNS.values()))
    assert {**vars(own), "_state": 0} == {**vars(theirs), "_state": 0} == {**COLUMNS, "_state": 0}
    assert type(own._state) is type(theirs._state)
    assert vars(own._state) == vars(theirs._state)
    assert own.get_deferred_fields() == theirs.get_deferred_fields()


@pytest.mark.parametrize("signal", [pre_init, post_init], ids=["before", "after"])
def test_a_receiver_is_told_of_it(signal):
    told = []

    def tell(**facts):
        told.append(facts["sender"])

    signal.connect(tell, sender=RevocationEvent)
    try:
        assert made().subject == "x"
    finally:
        signal.disconnect(tell, sender=RevocationEvent)
    assert told == [RevocationEvent]
    assert made().subject == "x"
    assert told == [RevocationEvent]


def test_a_model_that_makes_instances_in_its_own_way_does_so(monkeypatch):
    def from_db(cls, *args):
        return "its own"

    instances._state_class.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(RevocationEvent, "from_db", classmethod(from_db), raising=False)
        assert made() == "its own"
    instances._state_class.cache_clear()
    assert made().subject == "x"


class Shouting:
    """The attribute of a field as some packages have it: it stores another value than it is set to."""

    def __get__(self, instance, owner):
        return self if instance is None else instance.__dict__["subject"]

    def __set__(self, instance, value):
        instance.__dict__["subject"] = value.upper()


def test_a_field_that_converts_what_is_stored_does_so(monkeypatch):
    assert made().subject == "x"
    instances._state_class.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(RevocationEvent, "subject", Shouting())
        assert made().subject == "X"
    instances._state_class.cache_clear()
    assert made().subject == "x"
