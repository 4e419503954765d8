"""
The page for people: a single-page app in miniature, whose tokens no script can read.
"""

from typing import Any

from django.contrib.admin.utils import label_for_field
from django.contrib.auth import get_user_model
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.generic import TemplateView

# Scripts and styles from our own files alone, nothing inline, no HTML made of text, requests to nobody else.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)


class PageView(TemplateView):
    """Knows nobody: who is signed in, the page's script asks the API."""

    template_name = "browser/page.html"
    http_method_names = ["get", "head"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        model = get_user_model()
        return super().get_context_data(
            auth_base=reverse("jwt_auth_browser:login").removesuffix("login/"),
            notes_url=reverse("note-list"),
            username_field=model.USERNAME_FIELD,
            username_label=label_for_field(model.USERNAME_FIELD, model),
            **kwargs,
        )

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(*args, **kwargs)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response
