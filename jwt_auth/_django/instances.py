"""
Make instances without `Model.__init__`, which takes several times as long.
"""

from collections.abc import Sequence
from functools import lru_cache
from inspect import getattr_static
from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.signals import ModelSignal, post_init, pre_init

M = TypeVar("M", bound=Model)


def copy_with(instance: M, **related: object) -> M:
    """
    Return a copy of `instance`, with these objects cached for the foreign keys of these names.

    `copy.copy()` needs several times as long, because it asks for what `pickle` would store.
    """
    copied = type(instance).__new__(type(instance))
    vars(copied).update(vars(instance), _state=type(instance._state)())
    vars(copied._state).update(vars(instance._state), fields_cache={**instance._state.fields_cache, **related})
    return copied


def from_row(model: type[M], using: str, names: Sequence[str], values: Sequence[Any]) -> M:
    """
    Return an instance as `model.from_db` does, with these columns; all others are deferred.

    Django sets and defers each column one by one, and sends two signals. If the model, one of its fields or a receiver
    may notice the difference, this calls `model.from_db`.
    """
    state = _state_class(model)
    if state is None or _has_receivers(pre_init, model) or _has_receivers(post_init, model):
        return model.from_db(using, names, values)
    instance = model.__new__(model)
    vars(instance).update(zip(names, values, strict=True), _state=state())
    instance._state.adding, instance._state.db = False, using
    return instance


def _has_receivers(signal: ModelSignal, model: type[Model]) -> bool:
    # Most projects have no receivers, and has_listeners() takes longer than the rest of from_row().
    return bool(signal.receivers) and signal.has_listeners(model)


@lru_cache
def _state_class(model: type[Model]) -> Any:
    """Return the class of `_state`; None if the model or a field makes instances in its own way."""
    from django.db.models.base import ModelState  # not documented, so a release may not have it

    names = ("__new__", "__init__", "__setattr__", "from_db")
    is_own = any(getattr_static(model, name) is not getattr_static(Model, name) for name in names)
    is_own = is_own or any(_converts(getattr_static(model, field.attname)) for field in model._meta.concrete_fields)
    return None if is_own else ModelState


def _converts(descriptor: object) -> bool:
    """Return whether the attribute of a field may convert assigned values, as those of some packages do."""
    from django.db.models.fields.files import FileDescriptor, ImageFileDescriptor  # these are not documented either
    from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute

    known = (ForeignKeyDeferredAttribute, FileDescriptor, ImageFileDescriptor)
    return hasattr(type(descriptor), "__set__") and type(descriptor) not in known
