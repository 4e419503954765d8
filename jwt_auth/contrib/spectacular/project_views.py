"""
The views of this app that answer as those of another package, or accept its tokens.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.permissions import AllowAny

from jwt_auth.views import serializers


class ProjectSettingsViews(OpenApiViewExtension):
    """Describes the requests by the serializers that the views name; errors have the form of the project's handler."""

    target_class = "jwt_auth.contrib.project_views.ProjectSettingsMixin"
    match_subclasses = True

    def view_replacement(self) -> Any:
        body, status, answer = self.target.described()
        refusals = dict.fromkeys((400, 401, 429, 503), OpenApiTypes.OBJECT)
        described = extend_schema(
            request=OpenApiTypes.OBJECT if body is None else body,
            responses={**refusals, status: OpenApiTypes.OBJECT if answer is None else answer},
        )
        methods = {"post": described}
        if hasattr(self.target, "get"):
            methods["get"] = extend_schema(responses={200: OpenApiTypes.OBJECT})
        facts = {"permission_classes": [AllowAny]}
        return extend_schema_view(**methods)(type(self.target.__name__, (self.target,), facts))


class FormerLogoutViews(OpenApiViewExtension):
    """Describes `logout/` for former tokens as the endpoint of this app."""

    target_class = "jwt_auth.contrib.former_tokens.FormerLogoutMixin"
    match_subclasses = True

    def view_replacement(self) -> Any:
        described = extend_schema(request=serializers.LogoutSerializer, responses={204: None})
        facts = {"permission_classes": [AllowAny]}
        return extend_schema_view(post=described)(type(self.target.__name__, (self.target,), facts))
