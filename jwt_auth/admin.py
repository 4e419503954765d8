"""
Sessions, clients, signing keys and revocations on `admin.site`.

On a site of your own: `site.register(UserSession, UserSessionAdmin)`, and so on.

Users are the project's to register, and are extended where they are: see `administration.users`.
"""

from django.contrib import admin

from jwt_auth.administration.clients import RegisteredClientAdmin
from jwt_auth.administration.events import RevocationEventAdmin
from jwt_auth.administration.sessions import UserSessionAdmin
from jwt_auth.administration.signing_keys import SigningKeyAdmin
from jwt_auth.administration.users import TokenRevocationMixin
from jwt_auth.models import RegisteredClient, RevocationEvent, SigningKey, UserSession

__all__ = [
    "RegisteredClientAdmin",
    "RevocationEventAdmin",
    "SigningKeyAdmin",
    "TokenRevocationMixin",
    "UserSessionAdmin",
]

admin.site.register(UserSession, UserSessionAdmin)
admin.site.register(RegisteredClient, RegisteredClientAdmin)
admin.site.register(SigningKey, SigningKeyAdmin)
admin.site.register(RevocationEvent, RevocationEventAdmin)
