"""The admin where Django's undocumented parts differ: its own pages go on working, without ours."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth import get_user_model
from django.db.models.deletion import Collector

from jwt_auth._django.admin_sites import admin_of, admins, list_at_most, put_before, redirect_from_missing
from jwt_auth._django.differences import note_difference
from jwt_auth.models import UserSession


class Mixin:
    """Put before the class of an admin."""


@pytest.fixture(autouse=True)
def warned_anew():
    note_difference.cache_clear()
    yield
    note_difference.cache_clear()


@pytest.fixture
def site():
    site = admin.AdminSite("other")
    site.register(get_user_model())
    return site


@pytest.fixture
def events(caplog):
    """`events()` returns the events in the log so far."""
    return lambda: [record.event for record in caplog.records]


def test_the_admins_of_a_site(site, events):
    ((model, found),) = admins(site)
    assert model is get_user_model()
    assert admin_of(site, model) is found
    assert admin_of(site, type(None)) is None
    put_before(found, Mixin)
    assert isinstance(found, Mixin)
    assert events() == []


def test_an_admin_that_lists_its_actions_in_another_way_is_known(site, events, monkeypatch):
    monkeypatch.delattr(admin.ModelAdmin, "_get_base_actions")
    put_before(admin_of(site, get_user_model()), Mixin)
    assert events() == ["django_differs"]


def test_an_admin_whose_class_can_not_be_derived_from_stays_as_it_is(site, events):
    class Unusual(admin.ModelAdmin):
        def __init_subclass__(cls, *, needed):
            pass

    found = Unusual(get_user_model(), site)
    put_before(found, Mixin)
    assert type(found) is Unusual
    assert events() == ["django_differs"]


def test_from_a_missing_row_another_django_leads_to_the_first_page(rf, events, monkeypatch):
    monkeypatch.delattr(admin.ModelAdmin, "_get_obj_does_not_exist_redirect")
    found = admin_of(admin.site, get_user_model())
    assert redirect_from_missing(found, rf.get("/"), "1").url == "/admin/"
    assert events() == ["django_differs"]


def test_where_the_rows_of_a_deletion_are_collected_in_another_way_all_are_listed(events, monkeypatch):
    monkeypatch.delattr(NestedObjects, "related_objects")
    monkeypatch.delattr(Collector, "related_objects")
    list_at_most(3, UserSession)
    assert events() == ["django_differs"]
