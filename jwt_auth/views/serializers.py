"""
Serializers for the requests and responses of the endpoints.
"""

from datetime import datetime, timezone
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.timezone import now
from rest_framework import ISO_8601, serializers

from jwt_auth.claims import Claims, moment
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidTargetError, UnsupportedGrantTypeError
from jwt_auth.lines import is_line
from jwt_auth.models import RegisteredClient, UserSession
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.sessions import devices, shown
from jwt_auth.sessions.accounts import longest_name, read_name
from jwt_auth.sessions.tickets import MAX_LENGTH as MAX_TICKET
from jwt_auth.views.metadata import TOKEN_EXCHANGE

# RFC 8693 section 3.
ACCESS_TOKEN_URN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name


class TextField(serializers.CharField):
    """
    A string; other types are refused.

    DRF turns numbers into strings. The login throttle reads `request.data` directly and would miss them.
    """

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactField(TextField):
    """A string, with leading and trailing whitespace."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class KeyField(ExactField):
    """A primary key: a number, or a string that is compared exactly."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(str(data) if type(data) is int else data)


class NameField(TextField):
    """A login name. Only its length is checked here, by the function that the throttles ask."""

    default_error_messages = {"max_length": serializers.CharField.default_error_messages["max_length"]}

    def to_internal_value(self, data: Any) -> str:
        name = read_name(super().to_internal_value(data))
        if name is None:
            self.fail("max_length", max_length=longest_name())
        return name


class LabelField(TextField):
    """The user's name for a device: one line."""

    default_error_messages = {"line": "A label is one line of text."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, allow_blank=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        label = super().to_internal_value(data)
        if not is_line(label):
            self.fail("line")
        return label


def written_key(key: Any) -> int | str:
    """Return a primary key in JSON: a number, or the text form of anything else, such as the project's own objects."""
    return key if type(key) is int else str(key)


def name_field_of(view: Any) -> str | None:
    """Return the name of the field of a sign-in that has the login name; None if there is none."""
    name: str | None = get_user_model().USERNAME_FIELD if view.name_field == "" else view.name_field
    return name


class SignInSerializer(serializers.Serializer[Any]):
    """
    The fields of all sign-ins: `label`, the user's name for the device, and `remember`.

    If `remember` is false, cookies end with the browser.
    """

    label = LabelField(required=False, default="")  # type: ignore[assignment]  # no attribute: the metaclass takes it
    remember = serializers.BooleanField(required=False)


class LoginSerializer(SignInSerializer):
    """The login name, unless the view knows it, and `password`."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        view = self.context.get("view")
        name = get_user_model().USERNAME_FIELD if view is None else name_field_of(view)
        named = {} if name is None else {name: NameField()}
        # Leading and trailing spaces are part of the password.
        return {**named, "password": ExactField(max_length=4096), **super().get_fields()}


class TicketSerializer(serializers.Serializer[Any]):
    """The ticket of the step before."""

    ticket = ExactField(max_length=MAX_TICKET)


class ReauthenticateSerializer(SignInSerializer):
    password = ExactField(max_length=4096)


class LabelSerializer(serializers.Serializer[Any]):
    """`label`, the user's name for the device."""

    label = LabelField()  # type: ignore[assignment]  # no attribute: the metaclass takes it


class RefreshSerializer(serializers.Serializer[Any]):
    refresh_token = ExactField()


class LogoutSerializer(serializers.Serializer[Any]):
    refresh_token = ExactField(required=False)


class TokenSerializer(serializers.Serializer[Any]):
    """RFC 7009 section 2.1. `token_type_hint` is not needed; any value is accepted."""

    token = ExactField()


class ExchangeSerializer(serializers.Serializer[Any]):
    """
    RFC 8693 section 2.1. An unknown parameter is ignored, and one without a value counts as absent (RFC 6749
    section 3.2).
    """

    grant_type = ExactField()
    subject_token = ExactField()
    subject_token_type = serializers.ChoiceField([ACCESS_TOKEN_URN])
    requested_token_type = serializers.ChoiceField([ACCESS_TOKEN_URN], required=False)
    audience = ExactField(required=False)
    resource = ExactField(required=False)
    scope = ExactField(required=False)
    client_id = ExactField(required=False)
    actor_token = ExactField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value({name: value for name, value in data.items() if value != ""})

    def validate_grant_type(self, value: str) -> str:
        if value != TOKEN_EXCHANGE:
            raise UnsupportedGrantTypeError(f"grant_type is {value!r}")
        return value

    def validate_actor_token(self, value: str) -> str:
        raise serializers.ValidationError("A client that acts for a user must authenticate itself in this request.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "resource" in attrs or "audience" not in attrs:
            raise InvalidTargetError("the server must be named by one audience, and not by its address")
        return attrs


class SubjectSerializer(serializers.Serializer[Any]):
    """A subject identifier (RFC 9493 sections 3.2.4 and 3.2.5). Both formats name a user by the `sub` of tokens."""

    format = serializers.ChoiceField(["iss_sub", "opaque"])
    iss = ExactField(max_length=255, required=False)
    sub = ExactField(max_length=255, required=False)
    id = ExactField(max_length=255, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        members = {"iss_sub": {"iss", "sub"}, "opaque": {"id"}}[attrs["format"]]
        if set(attrs) != {"format", *members}:
            raise serializers.ValidationError(f"This format requires the members {', '.join(sorted(members))}.")
        return attrs


class GlobalRevocationSerializer(serializers.Serializer[Any]):
    """`with_clients` is our own."""

    sub_id = SubjectSerializer()
    with_clients = serializers.BooleanField(required=False, default=False)


class RevokeUserSerializer(serializers.Serializer[Any]):
    """
    Either `user` (primary key) or `username`; the reason is for the record.

    `with_clients` also ends the API clients and keys that would stay.
    """

    user = KeyField(max_length=255, required=False)
    username = NameField(required=False)
    with_clients = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("user" in attrs) == ("username" in attrs):
            raise serializers.ValidationError('Give either "user" or "username".')
        return attrs


class MomentField(serializers.DateTimeField):
    """A time in UTC and in ISO 8601, whatever TIME_ZONE and the formats of DRF's settings are."""

    format, input_formats, timezone = ISO_8601, (ISO_8601,), timezone.utc


class LastUsedField(MomentField):
    """The hour of a session's last use. See sessions/shown.py for the hours that are shown."""

    def get_attribute(self, instance: UserSession) -> datetime:
        return shown.last_used_at(instance, now())


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    started_at = MomentField()
    last_used_at = LastUsedField(read_only=True)
    # Not the idle end, which each rotation moves.
    expires_at = MomentField()
    shared = serializers.BooleanField(source="is_shared", read_only=True)
    device = serializers.SerializerMethodField()
    current = serializers.SerializerMethodField()

    class Meta:
        model = UserSession
        fields = [
            *("id", "label", "device", "user_agent", "ip_address"),
            *("started_at", "last_used_at", "expires_at", "current", "shared"),
        ]

    def get_device(self, session: UserSession) -> str:
        return devices.name_of(session.user_agent)

    def get_current(self, session: UserSession) -> bool:
        return bool(session.sid == self.context["sid"])


def describe(user: Any, claims: Claims | None, client: RegisteredClient | None = None) -> dict[str, Any]:
    """
    Return the principal of a request, for `me`: the user, and the client if one acts as the user.

    Without claims, as with Django's session, the fields about the token are empty.
    """
    return {
        "user": _named(user, claims),
        "client_id": claims and claims.client_id,
        "client": client and client.name,
        "session": claims and _session_of(claims),
        "scope": (claims and claims.scope) or "",
        "auth_time": claims and claims.auth_time,
        "amr": list(claims.amr) if claims else [],
        "acr": claims and claims.acr,
        "issued_at": claims and moment(claims.iat),
        "expires_at": claims and claims.expires_at,
    }


def _named(user: Any, claims: Claims | None) -> dict[str, str]:
    if claims is None or isinstance(user, get_user_model()):
        return {"id": user_id_of(user), user.USERNAME_FIELD: str(user.get_username())}
    return {"iss": claims.iss, "sub": claims.sub}


def _session_of(claims: Claims) -> str | None:
    """Return our own session id as the other endpoints write it, or another issuer's as in its tokens."""
    sid = parse_sid(claims.sid) if claims.iss == get_settings().ISSUER else None
    return claims.sid if sid is None else str(sid)
