"""
The settings of djangorestframework-simplejwt 5.5, each with its replacement here.

Projects rename SIMPLE_JWT to JWT_AUTH, or leave it in the settings, so each name gets a hint of its own.
"""

_THE_SAME = "JWT_AUTH has a setting of this name"
_OPTION = 'JWT_AUTH["SIMPLEJWT"] has an option of this name'
_SLIDING = "There are no sliding tokens: use cookies in browsers (jwt_auth.browser_urls)."

# The replacement of each setting. _THE_SAME marks those that JWT_AUTH has under the same name.
FORMER: dict[str, str] = {
    "ACCESS_TOKEN_LIFETIME": f"{_THE_SAME}, of at most a day.",
    "REFRESH_TOKEN_LIFETIME": "SESSION_IDLE_TIMEOUT sets how long a session lasts without a refresh.",
    "ROTATE_REFRESH_TOKENS": "Refresh tokens always rotate.",
    "BLACKLIST_AFTER_ROTATION": "Refresh tokens are always single-use.",
    "UPDATE_LAST_LOGIN": "Django updates it at each sign-in.",
    "ALGORITHM": f"{_THE_SAME}.",
    "SIGNING_KEY": f"{_THE_SAME}, for a PEM or a JWK. Without it a key is derived from SECRET_KEY.",
    "VERIFYING_KEY": "It follows from SIGNING_KEY.",
    "AUDIENCE": f"{_THE_SAME}.",
    "ISSUER": f"{_THE_SAME}.",
    "JSON_ENCODER": "Claims must be plain JSON; CLAIMS_CALLABLE can convert them.",
    "JWK_URL": "TRUSTED_ISSUERS lists other issuers, each with its JWKS_URL.",
    "LEEWAY": f"{_THE_SAME}, as a timedelta.",
    "AUTH_HEADER_TYPES": f"{_OPTION}. Without it the type is Bearer.",
    "AUTH_HEADER_NAME": f"{_OPTION}. Without it the header is Authorization.",
    "USER_ID_FIELD": f"{_OPTION}, for the claim user_id. The setting of this name is for sub.",
    "USER_ID_CLAIM": f"{_OPTION}. The claim sub names the user in any case.",
    "USER_AUTHENTICATION_RULE": f"{_OPTION}. An inactive user can't sign in in any case.",
    "AUTH_TOKEN_CLASSES": "Only access tokens authenticate requests.",
    "TOKEN_TYPE_CLAIM": f"{_OPTION}. The header typ has the type in any case.",
    "JTI_CLAIM": "It is always jti.",
    "TOKEN_USER_CLASS": 'request.user is always the user; with REVOCATION "memory" it is loaded when it is first used.',
    "SLIDING_TOKEN_REFRESH_EXP_CLAIM": _SLIDING,
    "SLIDING_TOKEN_LIFETIME": _SLIDING,
    "SLIDING_TOKEN_REFRESH_LIFETIME": _SLIDING,
    "TOKEN_OBTAIN_SERIALIZER": f"{_OPTION}.",
    "TOKEN_REFRESH_SERIALIZER": f"{_OPTION}.",
    "TOKEN_VERIFY_SERIALIZER": f"{_OPTION}.",
    "TOKEN_BLACKLIST_SERIALIZER": f"{_OPTION}.",
    "SLIDING_TOKEN_OBTAIN_SERIALIZER": _SLIDING,
    "SLIDING_TOKEN_REFRESH_SERIALIZER": _SLIDING,
    "CHECK_REVOKE_TOKEN": "A new password always ends the sessions that began with the old one.",
    "REVOKE_TOKEN_CLAIM": "No claim is needed: the session stores which password it began with.",
    "CHECK_USER_IS_ACTIVE": "It is always checked.",
}

# The options of SIMPLEJWT that name a serializer.
SERIALIZERS = (
    "TOKEN_OBTAIN_SERIALIZER",
    "TOKEN_REFRESH_SERIALIZER",
    "TOKEN_VERIFY_SERIALIZER",
    "TOKEN_BLACKLIST_SERIALIZER",
)


def hint_for(name: str) -> str:
    """Return what to do with a setting of simplejwt that is in JWT_AUTH, or among the options of SIMPLEJWT."""
    place = FORMER[name]
    return place if place.startswith((_OPTION, _THE_SAME)) else f"{place} Remove it."
