"""
The sign-in of simplejwt: its serializers and its view, with the protections of this app's own sign-in.

The project's code is the `validate()` of a serializer, or all that it does with a body if it checks single fields
itself. While it runs for `TokenObtainPairView`, all tokens that it makes for a user belong to one session. An error
that is raised after the session has begun ends it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.utils.functional import cached_property
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf, serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.conf import rules
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.conf.user_keys import key_of
from jwt_auth.contrib.simplejwt.base import SimpleJWTMixin
from jwt_auth.contrib.simplejwt.exceptions import InvalidToken, TokenError
from jwt_auth.contrib.simplejwt.lazy_sessions import NO_ACCOUNT, SignInRequest, current_sign_in, signing_in
from jwt_auth.contrib.simplejwt.tokens import RefreshToken, Token
from jwt_auth.exceptions import InvalidCredentialsError, UnavailableError
from jwt_auth.http.logs import log_outage, log_refusal
from jwt_auth.sessions import CredentialsChangedError
from jwt_auth.sessions.accounts import read_name
from jwt_auth.sessions.credentials import authenticate, has_compared
from jwt_auth.views import Pending, SignInView
from jwt_auth.views.sign_in import check_of, complete
from jwt_auth.views.users import ATTEMPTS


class PasswordField(serializers.CharField):
    """A password, with leading and trailing spaces, as in Django's own form."""

    def __init__(self, **kwargs: Any) -> None:
        style = {"input_type": "password", **kwargs.pop("style", {})}
        super().__init__(**{"trim_whitespace": False, "max_length": 4096, **kwargs, "style": style, "write_only": True})


class TokenObtainSerializer(serializers.Serializer[Any]):
    """
    Check the login name and the password, and set `user`.

    Attributes:
        username_field: the name's field in the body, and the parameter of the authentication backends.
        token_class: the class of the tokens that `get_token()` makes.
    """

    username_field: str = get_user_model().USERNAME_FIELD
    token_class: type[Token] | None = None
    default_error_messages = {"no_active_account": NO_ACCOUNT}
    user: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[self.username_field] = serializers.CharField(write_only=True)
        self.fields["password"] = PasswordField()

    @sensitive_variables()
    def run_validation(self, data: Any = serializers.empty) -> Any:
        if "run_validation" not in vars(self) and (sign_in := current_sign_in()) is not None:
            sign_in.guard(self)
            if "run_validation" in vars(self):
                return self.run_validation(data)
        return super().run_validation(data)

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """
        Return an empty dict for the answer.

        Raises:
            AuthenticationFailed: of DRF, unless USER_AUTHENTICATION_RULE accepts the user.
        """
        name, password = attrs[self.username_field], attrs["password"]
        self.user = authenticate(self.context.get("request"), name, password, parameter=self.username_field)
        if not _accepts(self.user):
            raise drf.AuthenticationFailed(self.error_messages["no_active_account"], "no_active_account")
        if (sign_in := current_sign_in()) is not None:
            sign_in.with_password = key_of(self.user)
        return {}

    @classmethod
    def get_token(cls, user: Any) -> Any:
        """Return a token for `user`; an override adds claims to it."""
        if cls.token_class is None:
            raise TypeError(f"{cls.__name__} has no token_class")
        return cls.token_class.for_user(user)


class TokenObtainPairSerializer(TokenObtainSerializer):
    """Answer with `refresh` and `access`."""

    token_class = RefreshToken

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the answer; an override adds to it, or raises an error that refuses the sign-in."""
        data = super().validate(attrs)
        refresh = self.get_token(self.user)
        return {**data, "refresh": str(refresh), "access": str(refresh.access_token)}


class TokenObtainPairView(SimpleJWTMixin, SignInView, GenericAPIView[Any]):
    """
    Answer a sign-in with the validated data of the serializer, in which the tokens are.

    Attributes:
        serializer_class: reads the body, and signs in; SIMPLEJWT["TOKEN_OBTAIN_SERIALIZER"] if it is None.
        name_field: the field with the login name, by which failures are counted; by default the `username_field` of the
            serializer, or else its first text.
        amr: how the serializer authenticates users (RFC 8176); by default ["pwd"] if a password was compared.
        throttle_classes: further throttles, besides those of all sign-ins.
    """

    _serializer_class = "TOKEN_OBTAIN_SERIALIZER"

    # The project's own settings of DRF apply, not those of this app's endpoints.
    parser_classes: Any = APIView.parser_classes
    throttle_classes: Any = APIView.throttle_classes
    versioning_class: Any = APIView.versioning_class
    perform_content_negotiation: Any = APIView.perform_content_negotiation
    get_exception_handler = APIView.get_exception_handler

    # Set for each request.
    _sign_in_request: SignInRequest
    _validate: Callable[[Any], Any]
    _running: Any = None
    _result: Any = None
    _has_failed: bool = False

    @classmethod
    def for_browsers(cls) -> Any:
        """Raise TypeError: this view sends tokens in the body. LoginView has a variant with cookies."""
        raise TypeError(f"{cls.__name__} sends tokens in the body: use LoginView.for_browsers()")

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with signing_in(SignInRequest(request=request, amr=self.amr, guard=self._guard)) as self._sign_in_request:
            return super().dispatch(request, *args, **kwargs)

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer = super().get_serializer(*args, **kwargs)
        if hasattr(serializer, "initial_data"):
            self._guard(serializer)
        return serializer

    def get_throttles(self) -> list[Any]:
        own = [kind() for kind in SignInView.throttle_classes]
        return [*own, *(each for each in super().get_throttles() if type(each) not in SignInView.throttle_classes)]

    def get_login_name(self, request: Request) -> object:
        data: Any = request.data
        name = data.get(self._login_field) if isinstance(data, Mapping) else None
        # As DRF's CharField reads a number.
        return str(name) if isinstance(name, int | float) and not isinstance(name, bool) else name

    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        """Run the project's `validate()`, and return the user of the session that has begun in it."""
        try:
            self._result = self._validate(copy(data))
        except PermissionDenied as error:  # of a project that answers with 403
            raise drf.PermissionDenied(*error.args) from error
        lazy = self._sign_in_request.begun()
        if lazy is not None:
            return lazy.user
        user = getattr(self._running, "user", None)
        # An answer without tokens, such as that a code is required, or that the password is wrong.
        self._has_failed = user is None and has_compared()
        return Pending(user if isinstance(user, get_user_model()) else None, "serializer")

    def refuse_closed(self, request: Request, data: Mapping[str, Any]) -> Any:
        """
        Refuse, after the time that a wrong password takes.

        A wrong password is compared in place of the one in the body. The serializer's error is the answer only if a
        password was compared: for other credentials it would reveal, beyond the limit, whether they are right.
        """
        try:
            self.authenticate(request, data)
        except drf.APIException:
            if has_compared():
                raise
        return None

    def handle_exception(self, exc: Exception) -> Response:
        try:
            self._sign_in_request.end()
        except UnavailableError as error:
            exc = error
        return super().handle_exception(exc)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code >= 400:
            try:
                self._sign_in_request.end()
            except UnavailableError as error:
                log_outage(error, self.request._request)  # nobody has got the tokens
        return response

    def _guard(self, serializer: Any) -> None:
        """Have the `validate()` of a serializer, or all that it does with a body, run as the check of a sign-in."""
        name = "run_validation" if _checks_fields(serializer) else "validate"
        if name not in vars(serializer):
            setattr(serializer, name, partial(self._validated, serializer, getattr(serializer, name)))

    @sensitive_variables()
    def _validated(self, serializer: Any, validate: Callable[[Any], Any], attrs: Any) -> Any:
        self._running, self._validate = serializer, validate
        try:
            for _attempt in range(ATTEMPTS - 1):
                # A new password, or a revocation, during the sign-in has the credentials checked again.
                with suppress(CredentialsChangedError):
                    return self._once(attrs)
            return self._once(attrs)
        except InvalidCredentialsError as error:
            log_refusal(error, self.request._request)
            message = getattr(serializer, "error_messages", {}).get("no_active_account", NO_ACCOUNT)
            raise drf.AuthenticationFailed(message, "no_active_account") from error

    @sensitive_variables()
    def _once(self, attrs: Any) -> Any:
        """Return the result of the serializer's `validate()`; end the session that begins in it if it is refused."""
        request = self.request
        try:
            self._refuse_unreadable_name(request)
            check = check_of(self, request, attrs)
            user = check.outcome().user
        except Exception as error:
            if isinstance(error, drf.APIException) and error.status_code < 500:
                log_refusal(InvalidCredentialsError(f"the serializer raised {type(error).__name__}"), request._request)
            self._sign_in_request.end()
            raise
        lazy = self._sign_in_request.begun()
        if lazy is not None and lazy.pair is not None:
            complete(self, request, user, lazy.pair)
        elif self._has_failed:
            check.count_failure()
        return self._result

    def _refuse_unreadable_name(self, request: Request) -> None:
        name = self.get_login_name(request)
        if name is not None and read_name(name) is None and self._login_field in self._named_fields:
            raise InvalidCredentialsError("the login name is no text, or too long: its failures can't be counted")

    @cached_property
    def _named_fields(self) -> list[str]:
        """The names of the fields that have the login name because the project, or Django, says so."""
        of_serializer = getattr(self.get_serializer_class(), "username_field", None)
        names = (self.name_field, of_serializer, get_user_model().USERNAME_FIELD)
        return [name for name in names if name is not None and name in self._fields]

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        """The fields of the serializer."""
        fields: Mapping[str, Any] = getattr(super().get_serializer(), "fields", {})
        return fields

    @cached_property
    def _login_field(self) -> str:
        """The name of the field with the login name; empty if there is none."""
        texts = (name for name, field in self._fields.items() if _is_text(field))
        return next(iter([*self._named_fields, *texts]), "")

    def as_api_exception(self, exc: Exception) -> Exception:
        if isinstance(exc, InvalidCredentialsError):
            log_refusal(exc, self.request._request)
            return drf.AuthenticationFailed(NO_ACCOUNT, "no_active_account")
        if isinstance(exc, TokenError):
            return InvalidToken(exc.args[0])
        return super().as_api_exception(exc)


def _is_text(field: Any) -> bool:
    return isinstance(field, serializers.CharField) and not isinstance(field, PasswordField)


def _checks_fields(serializer: Any) -> bool:
    """Return whether a serializer of the project may check credentials before its `validate()`: a code, a password."""
    kind, plain = type(serializer), (serializers.Serializer, TokenObtainSerializer)
    return isinstance(serializer, serializers.Serializer) and (
        kind.to_internal_value is not plain[0].to_internal_value
        or kind.run_validation not in [each.run_validation for each in plain]
        or any(hasattr(serializer, f"validate_{name}") for name in serializer.fields)
    )


def _accepts(user: Any) -> bool:
    """Return whether USER_AUTHENTICATION_RULE lets `user`, who may be None, sign in."""
    rule = simplejwt_or_default().USER_AUTHENTICATION_RULE
    if rule is None:
        return user is not None and bool(user.is_active)
    return bool((rules.import_callable(rule) if isinstance(rule, str) else rule)(user))
