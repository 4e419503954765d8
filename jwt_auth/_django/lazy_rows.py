"""
Instances of a model that know only their key, and load their row when anything else is read or written.

Such an instance is of a subclass of the model. Operations that need only the key (comparing, hashing, filters, foreign
keys) cost no query. Any other attribute loads the row first. From then on it is an ordinary instance, of the model's
own class, with the same methods, signals and pickles as any other.

Django does not document which attributes it reads of an instance that is only compared or assigned, nor how it makes
the class of a model. A first instance is tried before others are made; if a release differs, there are none.
"""

from collections.abc import Callable
from typing import Any

from django.db import models

from jwt_auth._django.differences import note_difference

# The attributes that Django and DRF read of an instance that is only compared, filtered by, or assigned. None of them
# reads a column other than the key's.
_FREE = frozenset(("__class__", "__dict__", "_meta", "_state", "_is_pk_set", "_get_pk_val", "prepare_database_save"))

# In the `__dict__` of an instance that is not loaded.
_LAZY = "_jwt_auth_lazy"


class LazyRows:
    """
    Lazy instances of a model.

    Args:
        model: the model, which may use multi-table inheritance.
        field: the field that an instance knows.
        load: returns the ordinary instance for a lazy one, of which it reads only `vars()`; may raise.
        free: more attributes that are read without loading the row.
    """

    def __init__(self, model: Any, field: Any, *, load: Callable[[Any], Any], free: frozenset[str]) -> None:
        self._names = tuple(_attributes(field))
        # The ORM looks at any value for the attributes of an expression. Let those fail without loading the row.
        expression = {name for name in dir(models.Expression) if not hasattr(model, name)}
        known = _FREE.union(free, self._names, expression, ["pk"] if field.primary_key else [])
        self._class: Any = None
        try:
            from django.db.models.base import ModelState  # not documented, and so maybe not there

            self._make_state = ModelState
            self._class = _subclass(model, known, load)
            self._try_one(model)
        except Exception as error:  # noqa: BLE001  # whatever it is, the row can be read at once
            self._class = None
            note_difference("each request reads the row of its user", repr(error))

    def make(self, value: Any, using: str, attributes: dict[str, Any]) -> Any:
        """
        Return a lazy instance without a query; None if this Django is one that differs.

        Args:
            value: the value of the field that it knows.
            using: the alias of the database that it is from.
            attributes: more entries of its `__dict__`.
        """
        if self._class is None:
            return None
        instance = self._class.__new__(self._class)
        known = vars(instance)
        known["_state"] = state = self._make_state()
        state.adding, state.db = False, using
        for name in self._names:
            known[name] = value
        known.update(attributes)
        known[_LAZY] = True
        return instance

    def made(self, instance: object) -> bool:
        """Return whether `instance` is lazy, and not loaded."""
        return type(instance) is self._class

    def _try_one(self, model: Any) -> None:
        first, second = self.make(1, "default", {}), self.make(1, "default", {})
        if not (isinstance(first, model) and first._meta is model._meta):
            raise TypeError("an instance of a subclass is no instance of the model")
        if self._names[0] == model._meta.pk.attname:
            # A project may have changed these methods for its own model.
            same = models.Model.__eq__(first, second) and models.Model.__hash__(first) == models.Model.__hash__(second)
            if not same:
                raise TypeError("two instances of one row differ")


def _attributes(field: Any) -> list[str]:
    """Return the attribute of `field`, and those of the parents' keys if the model uses multi-table inheritance."""
    parent = field.remote_field and getattr(field.remote_field, "parent_link", False)
    return [field.attname, *(_attributes(field.target_field) if parent else [])]


def _subclass(model: Any, free: frozenset[str], load: Callable[[Any], Any]) -> Any:
    def read(self: Any, name: str) -> Any:
        if name in free:
            return object.__getattribute__(self, name)
        _become_ordinary(self, load)
        return getattr(self, name)

    def write(self: Any, name: str, value: Any) -> None:
        _become_ordinary(self, load)
        setattr(self, name, value)

    def remove(self: Any, name: str) -> None:
        _become_ordinary(self, load)
        delattr(self, name)

    # `type.__new__` bypasses the metaclass, which would register another model, with migrations of its own. This class
    # shares everything with the model, including `_meta`.
    return type.__new__(
        type(model),
        model.__name__,
        (model,),
        {
            "__module__": model.__module__,
            "__qualname__": model.__qualname__,
            "__doc__": model.__doc__,
            "__getattribute__": read,
            "__setattr__": write,
            "__delattr__": remove,
        },
    )


def _become_ordinary(lazy: Any, load: Callable[[Any], Any]) -> None:
    known = object.__getattribute__(lazy, "__dict__")
    if _LAZY not in known:
        return  # another thread was faster
    fresh = load(lazy)
    # Keep the related objects that a one-to-one relation has already set on this instance.
    fresh._state.fields_cache.update(known["_state"].fields_cache)
    object.__setattr__(lazy, "__class__", type(fresh))
    lazy.__dict__ = vars(fresh)
