"""
The event stream (SSE) of the page at /live/.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.utils import timezone

from jwt_auth.exceptions import TokenError, UnavailableError
from jwt_auth.transports import access_cookie, bearer_token
from jwt_auth.watching import Watch


async def clock_events(request: HttpRequest) -> JsonResponse | StreamingHttpResponse:
    """Send the time each second, until the user's session ends."""
    if not isinstance(request, ASGIRequest):  # a WSGI server would send nothing until the end
        return _refusal(HTTPStatus.NOT_IMPLEMENTED, "The stream needs an ASGI server.", "no_asgi")
    try:
        token = bearer_token(request) or access_cookie(request) or ""
        watch = await Watch.averify(token, load_user=False)
    except TokenError as error:
        return _refusal(HTTPStatus.UNAUTHORIZED, str(error.detail), error.code)
    except UnavailableError as error:
        return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error.detail), error.code)
    if watch.verified.claims.is_limited:  # for some scopes only, and none is for this view
        return _refusal(HTTPStatus.FORBIDDEN, "The token is for other views.", "insufficient_scope")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(_events(watch), content_type="text/event-stream", headers=headers)


async def _events(watch: Watch) -> AsyncIterator[str]:
    """Yield the events, and after them the reason why they end."""
    async with aclosing(watch.until_ended(_ticks())) as ticks:
        async for tick in ticks:
            yield f"data: {json.dumps(tick)}\n\n"
    try:
        await watch.acheck()
    except (TokenError, UnavailableError) as error:
        yield f"event: ended\ndata: {json.dumps({'code': error.code})}\n\n"


async def _ticks() -> AsyncIterator[dict[str, Any]]:
    while True:
        yield {"time": f"{timezone.now():%H:%M:%S} UTC"}
        await asyncio.sleep(1)


def _refusal(status: HTTPStatus, detail: str, code: str) -> JsonResponse:
    return JsonResponse({"detail": detail, "code": code}, status=status)
