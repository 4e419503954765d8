"""
The views, the serializers and the authentication class of `contrib.simplejwt`, also if a project derives its own.

The components keep the names that they have with simplejwt, because generated clients have them.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiViewExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers as drf
from rest_framework.permissions import AllowAny

from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.contrib.spectacular.schemes import BEARER, JWTScheme

_PLACE = "jwt_auth.contrib.simplejwt"


class RefusedTokenSerializer(drf.Serializer[Any]):
    detail = drf.CharField(help_text="A text for people.")
    code = drf.CharField(required=False, help_text="`token_not_valid` for a token that is refused.")


class HeaderScheme(JWTScheme):
    """The header that SIMPLEJWT names, with the first of its types."""

    target_class = f"{_PLACE}.authentication.JWTAuthentication"
    priority = -2

    def get_security_definition(self, auto_schema: Any) -> Any:
        name, word = simplejwt_or_default().AUTH_HEADER_NAME, simplejwt_or_default().AUTH_HEADER_TYPES[0]
        if (name, word) == ("HTTP_AUTHORIZATION", "Bearer"):
            return BEARER
        return build_bearer_security_scheme_object(header_name=name, token_prefix=word, bearer_format="JWT")


class SerializerViews(OpenApiViewExtension):
    """Describes the views for tokens by their serializer, with their errors."""

    target_class = f"{_PLACE}.base.TokenViewBase"
    match_subclasses = True

    def view_replacement(self) -> Any:
        facts = {} if self.target.permission_classes else {"permission_classes": [AllowAny]}
        try:
            serializer_class = self.target().get_serializer_class()
        except AttributeError:  # a project's method that needs the request
            return type(self.target.__name__, (self.target,), facts)
        answer = serializer_class if _has_answer(serializer_class) else OpenApiTypes.OBJECT
        refusals = dict.fromkeys((401, 429, 503), RefusedTokenSerializer)
        described = extend_schema(
            request=serializer_class, responses={200: answer, 400: OpenApiTypes.OBJECT, **refusals}
        )
        return extend_schema_view(post=described)(type(self.target.__name__, (self.target,), facts))


class SignInSerializerView(SerializerViews):
    target_class = f"{_PLACE}.sign_in.TokenObtainPairView"


def _has_answer(serializer_class: Any) -> bool:
    """Return whether the answer of a serializer has members."""
    return bool(_tokens_of(serializer_class)) or any(
        not field.write_only for field in serializer_class().fields.values()
    )


def _tokens_of(serializer_class: Any) -> tuple[str, ...]:
    """Return the tokens that `validate()` answers with."""
    from jwt_auth.contrib.simplejwt import serializers  # needs the user model

    pairs = (serializers.TokenObtainPairSerializer, serializers.TokenRefreshSerializer)
    return ("access", "refresh") if issubclass(serializer_class, pairs) else ()


class PairSerializers(OpenApiSerializerExtension):
    """Adds the tokens to the answer of a serializer: they are no fields of it."""

    target_class = f"{_PLACE}.serializers.TokenObtainPairSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        # One component may be for both: what is read-only is then no part of a request.
        if direction == "response" or not spectacular_settings.COMPONENT_SPLIT_REQUEST:
            tokens = _tokens_of(type(self.target))
            added = {name: {"type": "string", "readOnly": True} for name in tokens}
            properties = {**added, **schema.get("properties", {})}
            schema = {**schema, "properties": properties, "required": sorted({*schema.get("required", ()), *tokens})}
        return schema


class RefreshSerializers(PairSerializers):
    target_class = f"{_PLACE}.serializers.TokenRefreshSerializer"
