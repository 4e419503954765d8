"""
The request of Django, as it is or within a request of DRF.
"""

from typing import TypeAlias, cast

from django.http import HttpRequest
from rest_framework.request import Request

AnyRequest: TypeAlias = HttpRequest | Request


def plain(request: AnyRequest) -> HttpRequest:
    """Return Django's request: views of DRF wrap it; middleware and views of other frameworks have no other one."""
    return cast("HttpRequest", getattr(request, "_request", request))
