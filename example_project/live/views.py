"""
The page at /live/: a WebSocket and an event stream, which end when the user's session does.
"""

from typing import Any

from django.core.handlers.asgi import ASGIRequest

from example_project.browser.views import PageView


class LivePageView(PageView):
    """The same page for everybody: its scripts find out whether somebody is signed in."""

    template_name = "live/page.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(is_asgi=isinstance(self.request, ASGIRequest), **kwargs)
