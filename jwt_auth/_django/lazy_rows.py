"""
Instances of a model that know only their key, and load their row when anything else is read or written.

Such an instance is of a subclass of the model. Operations that need only the key (comparing, hashing, filters, foreign
keys) cost no query. Any other attribute loads the row first. From then on it is an ordinary instance, of the model's
own class, with the same methods, signals and pickles as any other.

`__class__` is the model from the beginning, as with Django's own lazy objects, so that signals find the receivers of
the model. What `type()` returns can't be changed. That class must not even equal the model: signals cache receivers by
equality and find them by identity, so one signal with the class as its sender would hide all receivers of the model.

Asynchronous code can't query, so it awaits `aload_row()` first. If code on an event loop reads an unloaded instance, a
thread with a connection of its own loads the row, while the loop waits. `before_waiting()` can prevent that.

Django does not document which attributes it reads of an instance that is only compared or assigned, nor how it makes
the class of a model. A first instance is tried before others are made; if a release differs, there are none.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import RLock
from time import sleep
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, models
from django.utils.asyncio import async_unsafe

from jwt_auth._django.differences import note_difference
from jwt_auth.process.blocking import may_block

T = TypeVar("T")

# The attributes that Django and DRF read of an instance that is only compared, filtered by, or assigned, besides
# `__class__`. None of them reads a column other than the key's.
_FREE = ("_meta", "_state", "_is_pk_set", "_get_pk_val", "prepare_database_save")

# The ORM looks at any value for these attributes of an expression. They fail without loading the row.
_OF_EXPRESSIONS = (
    *("resolve_expression", "as_sql", "get_source_expressions", "flatten", "filterable", "conditional"),
    *("contains_aggregate", "contains_over_clause", "contains_column_references", "contains_subquery"),
)

# How an attribute is read without loading the row. A request makes one instance at least, so microseconds count here.
_attribute = object.__getattribute__

# In the `__dict__` of an instance that is not loaded: a mark, and the lock under which it is loaded. Most instances
# never need the lock. No lock is shared by all instances, because a forked child could inherit it locked.
_UNLOADED = "_jwt_auth_unloaded"
_LOCK = "_jwt_auth_lock"

# In the same `__dict__`: a function that is called before an event loop waits for the row.
_WAITS = "_jwt_auth_waits"

# An attribute of the class of such instances: the function that loads one of them.
_LAZY = "_jwt_auth_lazy"

_NOT_LOADED = """\
The user of the token is not loaded, and asynchronous code can't query. Before you read more than its key, await \
request.auser(), or auser() of the result of averify()."""


class LazyRows:
    """
    Lazy instances of a model.

    Args:
        model: the model, which may use multi-table inheritance.
        field: the field that an instance knows.
        load: returns the ordinary instance for the `__dict__` of a lazy one; may raise.
        free: more attributes that are read without loading the row.
        has_one_class: whether `load` always returns an instance of `model` itself. Otherwise reading `__class__` loads
            the row, which may be of a child class.
    """

    def __init__(
        self,
        model: Any,
        field: Any,
        *,
        load: Callable[[dict[str, Any]], Any],
        free: frozenset[str],
        has_one_class: bool = True,
    ) -> None:
        self._model, self._names = model, tuple(_attributes(field))
        self._class: Any = None
        self._was_tried = False
        try:
            from django.db.models.base import ModelState  # not documented, and so maybe not there

            self._make_state = ModelState
            names = free.union(_FREE, ["pk"] if field.primary_key else [])
            names = names.union(name for name in _OF_EXPRESSIONS if not hasattr(model, name))
            self._class = _subclass(model, frozenset(self._names), names, load, has_one_class)
        except Exception as error:  # noqa: BLE001  # whatever it is, the row can be read at once
            self._give_up(error)

    def make(self, value: Any, using: str, attributes: dict[str, Any]) -> Any:
        """
        Return a lazy instance without a query; None if this Django, or the model, has none.

        Args:
            value: the value of the field that it knows.
            using: the alias of the database that it is from.
            attributes: more entries of its `__dict__`.
        """
        if not self._was_tried:
            self._try(value, using)
        if (model := self._class) is None:
            return None
        instance = model.__new__(model)
        known = _attribute(instance, "__dict__")
        known["_state"] = state = self._make_state()
        state.adding, state.db = False, using
        for name in self._names:
            known[name] = value
        known.update(attributes)
        known[_UNLOADED] = True
        return instance

    def _try(self, value: Any, using: str) -> None:
        """Compare two instances, as Django does; give up if that is not possible without loading them."""
        self._was_tried = True
        try:
            first, second = (self.make(value, using, {}) for _ in range(2))
            if not (isinstance(first, self._model) and first._meta is self._model._meta):
                raise TypeError("an instance of a subclass is not an instance of the model")
            if self._names[0] == self._model._meta.pk.attname:
                # A project may have changed these methods for its own model.
                equal, number = models.Model.__eq__, models.Model.__hash__
                if not (equal(first, second) and number(first) == number(second)):
                    raise TypeError("two instances of one row differ")
        except Exception as error:  # noqa: BLE001  # as above
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._class, self._was_tried = None, True
        note_difference("each request reads the row of its user", repr(error))


def is_lazy(instance: object) -> bool:
    """Return whether `instance` is lazy, and not loaded."""
    return hasattr(type(instance), _LAZY)


def load_row(instance: object) -> None:
    """Load the row of `instance` if it is lazy, so that asynchronous code can read it."""
    become_ordinary: Callable[[object], None] | None = getattr(type(instance), _LAZY, None)
    if become_ordinary is not None:
        become_ordinary(instance)


async def aload_row(instance: T) -> T:
    """Load the row of `instance` if it is lazy, by one query in a thread, and return `instance`."""
    if is_lazy(instance):
        await sync_to_async(load_row)(instance)
    return instance


def leave_with(instance: Any, name: str, value: object) -> None:
    """Store `value` in the `__dict__` of a lazy instance, for `load`; do nothing if it isn't lazy."""
    if is_lazy(instance):
        _attribute(instance, "__dict__")[name] = value


def before_waiting(instance: Any, call: Callable[[], None]) -> None:
    """Have `call` called before an event loop waits for the row of `instance`; `call` may raise an error."""
    leave_with(instance, _WAITS, call)


def refuse_to_wait(instance: Any) -> None:
    """Have reads on an event loop raise SynchronousOnlyOperation, as with Django's own lazy objects."""
    before_waiting(instance, _refuse)


def _refuse() -> None:
    raise SynchronousOnlyOperation(_NOT_LOADED)


def _attributes(field: Any) -> list[str]:
    """Return the attribute of `field`, and those of the parents' keys if the model uses multi-table inheritance."""
    parent = field.remote_field and getattr(field.remote_field, "parent_link", False)
    return [field.attname, *(_attributes(field.target_field) if parent else [])]


def _subclass(
    model: Any,
    known: frozenset[str],
    free: frozenset[str],
    load: Callable[[dict[str, Any]], Any],
    has_one_class: bool,
) -> Any:
    def become_ordinary(self: Any) -> None:
        try:
            _become_ordinary(self, load)
        except SynchronousOnlyOperation:
            if not may_block():
                raise
            if before := _attribute(self, "__dict__").get(_WAITS):
                before()
            # In another thread from the beginning: this one must not hold the lock that the other one needs.
            _in_another_thread(lambda: _become_ordinary(self, load))

    def read(self: Any, name: str) -> Any:
        if name in free:
            return _attribute(self, name)
        if name in known:  # not by the field's descriptor, which may read the `__dict__` in the ordinary way
            return _attribute(self, "__dict__")[name]
        if name == "__class__" and has_one_class:
            return model
        become_ordinary(self)
        return getattr(self, name)

    def write(self: Any, name: str, value: Any) -> None:
        become_ordinary(self)
        setattr(self, name, value)

    def remove(self: Any, name: str) -> None:
        become_ordinary(self)
        delattr(self, name)

    # `type.__new__` bypasses the metaclass, which would register another model, with migrations of its own. This class
    # shares everything with the model, including `_meta`.
    return type.__new__(
        _metaclass(model),
        model.__name__,
        (model,),
        {
            "__module__": model.__module__,
            "__qualname__": model.__qualname__,
            "__doc__": model.__doc__,
            _LAZY: staticmethod(become_ordinary),
            "__getattribute__": read,
            "__setattr__": write,
            "__delattr__": remove,
        },
    )


def _metaclass(model: Any) -> Any:
    """Return a metaclass by which `type(instance)(...)` makes an ordinary instance."""
    ordinary = type(model)
    return type(
        ordinary.__name__,
        (ordinary,),
        {"__module__": ordinary.__module__, "__call__": lambda self, *args, **kwargs: model(*args, **kwargs)},
    )


def _in_another_thread(call: Callable[[], None]) -> None:
    """Call `call` in a thread, with the context of this one, and wait for it."""

    def run() -> None:
        try:
            call()
        finally:
            connections.close_all()  # those of the thread

    with ThreadPoolExecutor(1) as pool:
        pool.submit(copy_context().run, run).result()


def _become_ordinary(lazy: Any, load: Callable[[dict[str, Any]], Any]) -> None:
    known = _attribute(lazy, "__dict__")
    lock = _lock_of(known)
    if lock is None:
        # Another thread has loaded it, or is between the last two statements below.
        while is_lazy(lazy):
            sleep(0)
        return
    if not lock.acquire(blocking=False):
        _wait_for(lock)
    try:
        if _attribute(lazy, "__dict__") is not known:
            return  # another thread was faster
        fresh = load(known)
        # Keep the related objects that a one-to-one relation has already set on this instance.
        fresh._state.fields_cache.update(known["_state"].fields_cache)
        # In this order: no thread may see an ordinary instance without its row. The model's own `__setattr__` may read
        # attributes, and is not called.
        object.__setattr__(lazy, "__dict__", vars(fresh))
        object.__setattr__(lazy, "__class__", type(fresh))
    finally:
        lock.release()


@async_unsafe(_NOT_LOADED)
def _wait_for(lock: Any) -> None:
    """Wait for the thread that loads the row. On an event loop that is an error, as the query itself would be."""
    lock.acquire()


def _lock_of(known: dict[str, Any]) -> Any:
    """Return the lock of the instance with this `__dict__`; None if it is loaded."""
    if _UNLOADED not in known:
        return None
    # `setdefault` is atomic: all threads get one lock. It is reentrant, because code that helps to load the row, such
    # as a database router, may read the same instance: it gets a RecursionError instead of waiting for itself.
    return known.setdefault(_LOCK, RLock())
