"""
The page at /: a small single-page app whose tokens no script can read.
"""

from typing import Any

from django.contrib.admin.utils import label_for_field
from django.contrib.auth import get_user_model
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.generic import TemplateView

# Allow scripts and styles from our own files only, nothing inline, no HTML from strings, no requests to other origins.
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
    """The same page for everybody: its script asks the API who is signed in."""

    template_name = "browser/page.html"
    http_method_names = ["get", "head"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        model = get_user_model()
        return super().get_context_data(
            auth_base=reverse("jwt_auth_browser:me").removesuffix("me/"),
            notes_url=reverse("note-list"),
            payments_url=reverse("payment"),
            username_field=model.USERNAME_FIELD,
            username_label=label_for_field(model.USERNAME_FIELD, model),
            **kwargs,
        )

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(*args, **kwargs)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response
