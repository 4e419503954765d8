"""
Sessions, clients, signing keys and revocations on `admin.site`.

To use them on another site, register them there: `site.register(UserSession, UserSessionAdmin)`, and so on.

The project registers its users; `administration.users` extends that admin.
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
