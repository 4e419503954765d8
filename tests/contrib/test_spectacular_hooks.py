"""OpenAPI: what a project's own settings and hooks of drf-spectacular do to the description of our endpoints."""

from functools import cache

import pytest
from django.conf import settings
from django.test import override_settings
from django.urls import include, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from rest_framework import serializers, versioning
from rest_framework.generics import GenericAPIView

from jwt_auth.contrib.spectacular.names import FixedSchema

CAMELIZE = "drf_spectacular.contrib.djangorestframework_camel_case.camelize_serializer_fields"
ENUMS = "drf_spectacular.hooks.postprocess_schema_enums"
REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}


class OrderSerializer(serializers.Serializer):
    """A component of the project, which its hooks may change."""

    delivery_date = serializers.DateField()


class OrdersView(GenericAPIView):
    serializer_class = OrderSerializer

    def post(self, request): ...


PATTERNS = [
    path("api/orders/", OrdersView.as_view()),
    path("api/auth/", include("jwt_auth.urls")),
    path("api/auth/browser/", include("jwt_auth.browser_urls")),
]


def require_all(result, **kwargs):
    """Say that each property of a component is always there, as many projects do for their generated clients."""
    for component in result["components"]["schemas"].values():
        if "properties" in component:
            component["required"] = sorted(component["properties"])
    return result


def generate(version=None, **changed):
    """Return the schema, which must be valid and cause no warning."""
    GENERATOR_STATS.reset()
    generator = SchemaGenerator(patterns=PATTERNS, api_version=version)
    with override_settings(REST_FRAMEWORK=REST_FRAMEWORK), patched_settings(changed), GENERATOR_STATS.silence():
        schema = generator.get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    validate_schema(schema)
    return schema


@cache
def usual(*, split):
    """Return the schema without any hook or setting, for comparisons."""
    return generate(COMPONENT_SPLIT_REQUEST=split)


def ours(schema):
    """Return the names of the fields of our components."""
    found = schema["components"]["schemas"].items()
    return {name: sorted(each["properties"]) for name, each in found if "JWT" in name and "properties" in each}


def required(schema):
    found = schema["components"]["schemas"].items()
    return {name: sorted(each.get("required", ())) for name, each in found if "JWT" in name}


@pytest.mark.parametrize("split", [False, True], ids=["one component", "one for requests"])
@pytest.mark.parametrize(
    "hooks",
    [
        [CAMELIZE],
        [CAMELIZE, ENUMS],
        [ENUMS, CAMELIZE],
    ],
    ids=["alone", "before enums", "after enums"],
)
@pytest.mark.sampled
def test_a_hook_that_renames_fields_renames_the_projects_alone(hooks, split):
    camelized = generate(COMPONENT_SPLIT_REQUEST=split, POSTPROCESSING_HOOKS=hooks)
    assert ours(camelized) == ours(usual(split=split))
    assert required(camelized) == required(usual(split=split))
    assert list(camelized["components"]["schemas"]["Order"]["properties"]) == ["deliveryDate"]
    assert camelized["components"]["schemas"]["Order"]["required"] == ["deliveryDate"]
    refresh = "JWTRefreshRequest" if split else "JWTRefresh"
    assert ours(camelized)[refresh] == ["refresh_token"]


def test_any_other_hook_changes_our_components_as_it_does_others():
    schemas = generate(POSTPROCESSING_HOOKS=[f"{__name__}.require_all"])["components"]["schemas"]
    assert schemas["JWTLogout"]["required"] == ["refresh_token"]
    assert "required" not in usual(split=False)["components"]["schemas"]["JWTLogout"]


def test_properties_may_be_added_but_not_renamed():
    schema = FixedSchema({"type": "object", "properties": {"a_b": 1}})
    schema["properties"] = {"aB": 1}
    schema["required"] = ["aB"]
    assert schema == {"type": "object", "properties": {"a_b": 1}}
    schema["properties"] = {"a_b": 1, "c": 2}
    schema["required"] = ["a_b", "c"]
    assert schema == {"type": "object", "properties": {"a_b": 1, "c": 2}, "required": ["a_b", "c"]}


PATHS = [
    ({"SCHEMA_PATH_PREFIX": "/api/"}, "/api/auth/sessions/{session_id}/"),
    ({"SCHEMA_PATH_PREFIX": "/api/", "SCHEMA_PATH_PREFIX_TRIM": True}, "/auth/sessions/{session_id}/"),
    ({"SCHEMA_PATH_PREFIX_INSERT": "/v1"}, "/v1/api/auth/sessions/{session_id}/"),
    ({"CAMELIZE_NAMES": True}, "/api/auth/sessions/{sessionId}/"),
    ({"OAS_VERSION": "3.1.0"}, "/api/auth/sessions/{session_id}/"),
]


@pytest.mark.parametrize(("changed", "address"), PATHS, ids=[" ".join(changed) for changed, _ in PATHS])
def test_settings_of_paths_and_names_leave_a_valid_schema_with_the_same_fields(changed, address):
    schema = generate(**changed)
    assert address in schema["paths"]
    assert "/api/auth/sessions/{session_id}/" in usual(split=False)["paths"]
    assert ours(schema) == ours(usual(split=False))


@pytest.mark.parametrize("name", ["NamespaceVersioning", "AcceptHeaderVersioning"])
def test_the_endpoints_are_in_the_schema_of_each_version(name, monkeypatch):
    monkeypatch.setattr(OrdersView, "versioning_class", getattr(versioning, name))
    for version in ("v1", "v2"):
        assert "/api/auth/login/" in generate(version)["paths"]


def test_with_the_middleware_that_renames_parameters_path_parameters_need_camelized_names(monkeypatch):
    monkeypatch.setattr(settings, "MIDDLEWARE", ["djangorestframework_camel_case.middleware.CamelCaseMiddleWare"])
    schema = generate(CAMELIZE_NAMES=True, POSTPROCESSING_HOOKS=[CAMELIZE])
    operation = schema["paths"]["/api/auth/sessions/{sessionId}/"]["delete"]
    assert [each["name"] for each in operation["parameters"]] == ["sessionId"]
