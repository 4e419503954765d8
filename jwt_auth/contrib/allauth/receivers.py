"""
The receivers of allauth's signals, which tell of the steps of a sign-in, of its end, and of new passwords.
"""

from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest
from django.utils.module_loading import import_string

from jwt_auth.contrib.allauth.sign_ins import end_tied, has_begun, note_new_password, note_step, progress_of, untie


def connect_if_used() -> None:
    """Connect the receivers if HEADLESS_TOKEN_STRATEGY is TokenStrategy, or a class that is derived from it."""
    from jwt_auth.contrib.allauth.strategy import TokenStrategy  # allauth may be missing

    path = getattr(django_settings, "HEADLESS_TOKEN_STRATEGY", None)
    if path is None or not issubclass(import_string(path), TokenStrategy):
        return
    from allauth.account import signals

    for signal, receiver in (
        (signals.user_signed_up, _signed_up),
        (signals.authentication_step_completed, _step_completed),
        (signals.user_logged_in, _logged_in),
        (signals.password_changed, _password_changed),
        (user_logged_out, _logged_out),
    ):
        signal.connect(receiver, dispatch_uid=f"jwt_auth.contrib.allauth.{receiver.__name__}")


def _signed_up(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    note_step(request, user, is_recorded=False)


def _step_completed(
    request: HttpRequest,
    user: Any,
    method: str,
    passwordless: bool = False,
    reauthenticated: bool = False,
    **kwargs: Any,
) -> None:
    """
    Note a first step. A code is the first one, or comes after a password; allauth doesn't say which.

    A code that comes some minutes after a password counts as a second step: of the two, the older one is then compared.
    """
    is_further = method == "code" or (method == "mfa" and not passwordless)
    if reauthenticated:
        progress_of(request).is_complete = True
    elif is_further and has_begun(request, user):
        return
    if method == "password_reset":
        progress_of(request).account = None  # the new password is a revocation after it, by this request itself
    note_step(request, user, is_recorded=True)


def _logged_in(request: HttpRequest, **kwargs: Any) -> None:
    progress_of(request).is_complete = True


def _password_changed(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """
    Have a new session begin for the user who has just entered the former password, and still is signed in.

    The change has ended all sessions, also that of the tokens here.
    """
    tie = untie(request, user) if request.user.is_authenticated else None
    if tie is not None:
        progress = progress_of(request)
        progress.amr, progress.is_complete = ("pwd",), True
        note_new_password(request, user, tie)


def _logged_out(request: HttpRequest | None = None, user: Any = None, **kwargs: Any) -> None:
    session = getattr(request, "session", None)
    if request is not None and session is not None and end_tied(session, user):
        progress = progress_of(request)
        progress.is_complete, progress.has_signed_out = False, True
