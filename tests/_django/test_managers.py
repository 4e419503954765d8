"""Which managers and querysets give bare rows; a Django that differs fails here first."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, Value
from django.db.models.query import ModelIterable

from jwt_auth._django.managers import gives_bare_rows, is_plain

LACKING = {
    "all": lambda rows: rows.all(),
    "filter": lambda rows: rows.filter(groups__name="x"),
    "exclude": lambda rows: rows.exclude(pk__in=[1]),
    "Q": lambda rows: rows.filter(Q(is_active=True) | ~Q(pk=1)),
    "Exists": lambda rows: rows.filter(Exists(Group.objects.filter(pk=OuterRef("pk")))),
    "none": lambda rows: rows.none(),
    "order_by": lambda rows: rows.order_by("-pk").reverse(),
    "using": lambda rows: rows.using("default"),
}

DIFFERENT = {
    "annotate": lambda rows: rows.annotate(more=Value(1)),
    "alias": lambda rows: rows.alias(more=F("pk")),
    "FilteredRelation": lambda rows: rows.annotate(more=FilteredRelation("groups")),
    "extra": lambda rows: rows.extra(select={"more": "1"}),  # what a project may do
    "select_related": lambda rows: rows.select_related("jwt_token_cutoff"),
    "prefetch_related": lambda rows: rows.prefetch_related("groups"),
    "defer": lambda rows: rows.defer("password"),
    "only": lambda rows: rows.only("password"),
    "distinct": lambda rows: rows.distinct(),
    "slice": lambda rows: rows[:1],
    "union": lambda rows: rows.union(rows),
    "values": lambda rows: rows.values(),
    "another model": lambda rows: Group.objects.all(),
}


@pytest.mark.parametrize("change", LACKING.values(), ids=LACKING)
def test_a_queryset_that_only_lacks_rows_gives_bare_ones(change):
    assert gives_bare_rows(change(models.QuerySet(get_user_model())), get_user_model())


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_any_other_does_not(change):
    assert not gives_bare_rows(change(models.QuerySet(get_user_model())), get_user_model())


class Adding(models.QuerySet):
    def staff(self):
        return self.filter(is_staff=True)

    def delete(self):
        return self.update(is_active=False)

    async def acreate(self, **values):
        return None


class Fetching(models.QuerySet):
    def _fetch_all(self):
        super()._fetch_all()


class Iterating(models.QuerySet):
    def __iter__(self):
        return super().__iter__()


class Making(models.QuerySet):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._iterable_class = ModelIterable


class Filtering(models.QuerySet):
    def filter(self, *args, **kwargs):
        return super().filter(*args, **kwargs)


@pytest.mark.parametrize(
    ("rows", "plain"),
    [
        (models.QuerySet, True),
        (Adding, True),
        (Fetching, False),
        (Iterating, False),
        (Making, False),
        (Filtering, False),
    ],
)
def test_a_class_of_querysets_is_plain_if_it_only_adds_methods_or_writes_in_another_way(rows, plain):
    assert is_plain(models.Manager.from_queryset(rows)()) is plain
    assert is_plain(rows.as_manager()) is plain
    assert gives_bare_rows(rows(get_user_model()), get_user_model()) is plain


def test_a_manager_with_a_queryset_of_its_own_is_not_plain():
    class Own(models.Manager):
        def get_queryset(self):
            return super().get_queryset()

    class Elsewhere(models.Manager):
        def using(self, alias):
            return super().using("replica")

    class Strange(models.Manager):
        _queryset_class = object

    assert is_plain(AbstractUser._meta.managers[0])
    assert not any(is_plain(each()) for each in (Own, Elsewhere, Strange))


def test_a_manager_that_hides_in_get_alone_is_plain():
    """The documentation states this limit: `get_queryset()` hides users."""

    class Hiding(models.Manager):
        def get(self, *args, **kwargs):
            return super().get_queryset().filter(is_active=True).get(*args, **kwargs)

    assert is_plain(Hiding())
