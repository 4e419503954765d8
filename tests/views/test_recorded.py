"""Records of other packages about a sign-in, as `amr` and a time."""

from datetime import datetime, timezone

import pytest

from jwt_auth.views.recorded import methods_in, time_in


def record(method, at=1.0, **more):
    return {"method": method, "at": at, **more}


PASSWORD, SOCIAL, TOTP = record("password"), record("socialaccount"), record("mfa", type="totp")
PASSKEY = record("mfa", type="webauthn", passwordless=True)


@pytest.mark.parametrize(
    ("records", "device", "methods"),
    [
        (None, None, ()),
        ([], 7, ()),
        ([PASSWORD, PASSWORD], None, ("pwd",)),
        ([record("code")], None, ("otp",)),
        ([PASSWORD, TOTP], None, ("pwd", "otp", "mfa")),
        ([SOCIAL, TOTP], None, ("otp", "mfa")),
        ([PASSKEY], None, ("pop",)),  # one factor or two: only the device knows
        ([TOTP, record("mfa", type="recovery_codes")], None, ("otp",)),
        ([PASSWORD, record("mfa", type="a new one")], None, ("pwd",)),
        ([SOCIAL, "password", record(["password"]), record("password", at="now")], None, ()),
        (None, "otp_totp.totpdevice/1", ("otp",)),
        (None, "otp_webauthn.webauthncredential/1", ("pop",)),
        (None, "another.device/1", ()),
    ],
)
def test_methods(records, device, methods):
    assert methods_in(records, device) == methods


@pytest.mark.parametrize(
    ("records", "at"),
    [
        ([record("password", 10), record("password", 30)], 30),
        ([record("password", 10), record("mfa", 20, type="totp"), record("password", 30)], 20),
        ([record("socialaccount", 10), record("mfa", 20, type="totp")], 10),
    ],
)
def test_the_oldest_method_decides_how_old_they_are(records, at):
    assert time_in(records) == datetime.fromtimestamp(at, timezone.utc)


def test_without_a_record_there_is_no_time():
    assert time_in(None) is time_in([record("password", at=None)]) is None
