"""OpenAPI schemas by drf-spectacular."""

from typing import Any

from django.conf import settings
from django.test import override_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

AS_THE_GUIDE_SAYS = override_settings(
    REST_FRAMEWORK={**settings.REST_FRAMEWORK, "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
)


def generate(*patterns: Any) -> dict[str, Any]:
    """Return the schema of these URLs, which must be valid and cause no warning."""
    GENERATOR_STATS.reset()
    with AS_THE_GUIDE_SAYS, GENERATOR_STATS.silence():
        schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    validate_schema(schema)
    return schema
