"""
The request of Django, as it is or within a request of DRF.
"""

from typing import cast

from django.http import HttpRequest
from rest_framework.request import Request


def plain(request: HttpRequest | Request) -> HttpRequest:
    """Return Django's request: views of DRF wrap it; middleware and views of other frameworks have no other one."""
    return cast("HttpRequest", getattr(request, "_request", request))
