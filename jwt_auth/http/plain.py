"""
Django's request, by itself or inside a request of DRF.
"""

from django.http import HttpRequest
from rest_framework.request import Request


def plain(request: HttpRequest | Request) -> HttpRequest:
    """Return Django's request, which DRF's views wrap; middleware and other frameworks have no other one."""
    found: HttpRequest = getattr(request, "_request", request)
    return found
