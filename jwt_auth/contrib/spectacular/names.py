"""
Names in the schema: of components, and of the fields of our bodies.

The endpoints have parsers and a renderer of their own, so their fields have the documented names, whatever the names in
the project's API are. A postprocessing hook that renames the fields of all components, for example to camelCase, must
not rename these.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework.serializers import BaseSerializer


class FixedSchema(dict[str, Any]):
    """
    The schema of an object whose properties keep their names.

    Hooks rename properties by assigning new ones to the schema. An assignment without all the old names is ignored, and
    so is a list of required properties that don't exist. Everything else can be changed as usual.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        names = self.get("properties", {}).keys()
        if key == "properties" and not names <= value.keys():
            return
        if key == "required" and not names >= set(value):
            return
        super().__setitem__(key, value)


class FixedNames(OpenApiSerializerExtension):
    """
    Describe a serializer as usual, with fixed names. The subclasses have one serializer each.

    Attributes:
        component: the name of the component. It is not set on the serializer, because a project's subclass would
            inherit it: two components with one name are described as one.
    """

    component = ""

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return self.component

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        return FixedSchema(auto_schema._map_serializer(self.target, direction, bypass_extensions=True))


def name_components(*modules: Any) -> None:
    """Prefix the names of our components with "JWT": a project may have a Session or a Client of its own."""
    classes = {item for module in modules for item in vars(module).values() if isinstance(item, type)}
    for each in classes:
        if issubclass(each, BaseSerializer) and each.__module__.startswith("jwt_auth."):
            name = f"JWT{each.__name__.removesuffix('Serializer')}"
            type(name, (FixedNames,), {"target_class": each, "component": name})
