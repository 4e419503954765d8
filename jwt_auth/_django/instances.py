"""
The objects that an instance keeps because its foreign keys led to them.
"""

from typing import Any, cast

from django.db.models import ForeignKey, Model


def forget_related(instance: Model, name: str) -> None:
    """Have the foreign key `name` of `instance` read its object again when it is next needed."""
    column = cast("ForeignKey[Any]", instance._meta.get_field(name)).attname
    key = getattr(instance, column)
    # A foreign key that is changed forgets its object.
    setattr(instance, column, None)
    setattr(instance, column, key)
