"""
Read what other packages record in Django's session about a sign-in: methods, as values of `amr`, and times. Pure.

Values that are not in these tables are left out: a missing method makes a user authenticate again, and a wrong one
would satisfy a requirement.
"""

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

# The keys in Django's session: of django-allauth a list of dicts with "method", "at" and, for "mfa", "type"; of
# django-otp the name of the device's model, a slash, and its primary key.
ALLAUTH, DJANGO_OTP = "account_authentication_methods", "otp_device_id"

# The key of the user whom allauth's records are about, written as under SESSION_KEY. A sign-in that was given up leaves
# its records in the session, also if another user then signs in with a form that is not allauth's.
ALLAUTH_USER = "account_authentication_methods_user"

# Values of RFC 8176, and "pop" of the same registry. A passkey may be synced, so its key is not known to be in hardware
# ("hwk"), nor to be outside ("swk").
_METHODS = {
    "password": "pwd",
    "code": "otp",
    "mfa totp": "otp",
    "mfa recovery_codes": "otp",
    "mfa webauthn": "pop",
}
_APPS = {
    "otp_email": "otp",
    "otp_hotp": "otp",
    "otp_static": "otp",
    "otp_totp": "otp",
    "otp_twilio": "sms",
    "otp_webauthn": "pop",
    "otp_yubikey": "otp",
}


def methods_in(records: Any, device: Any) -> tuple[str, ...]:
    """
    Return how the user was authenticated, as values of `amr`.

    A second factor of allauth after another method is "mfa". django-otp does not say what came before.

    Args:
        records: the value of ALLAUTH in the session.
        device: the value of DJANGO_OTP.
    """
    names = [name for name, _ in _read(records)]
    app = device.partition(".")[0] if isinstance(device, str) else ""
    found = [*(_METHODS.get(name) for name in names), _APPS.get(app)]
    second = [name for name in names if name.startswith("mfa ") and name in _METHODS]
    if second and set(names).difference(second):
        found.append("mfa")
    return tuple(dict.fromkeys(method for method in found if method))


def time_in(records: Any) -> datetime | None:
    """
    Return the time of the oldest method, each by its last use; None if there are no records.

    So typing the password again does not make a second factor fresh.
    """
    last: dict[str, float] = {}
    for name, at in _read(records):
        last[name] = max(at, last.get(name, at))
    return datetime.fromtimestamp(min(last.values()), timezone.utc) if last else None


def _read(records: Any) -> Iterator[tuple[str, float]]:
    for record in records if isinstance(records, list) else ():
        method, at = (record.get("method"), record.get("at")) if isinstance(record, dict) else (None, None)
        if isinstance(method, str) and isinstance(at, int | float):
            yield (f"mfa {record.get('type')}" if method == "mfa" else method), at
