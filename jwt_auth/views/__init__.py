"""The endpoints: a serializer reads, `sessions` or `revocation` acts, and a transport writes."""

from jwt_auth.sessions.tickets import Ticket
from jwt_auth.views.outcomes import Pending, SignIn
from jwt_auth.views.reauthentication import ReauthenticateView, Reauthentication
from jwt_auth.views.serializers import SignInSerializer
from jwt_auth.views.servers import MetadataView
from jwt_auth.views.session_exchange import SessionExchangeView
from jwt_auth.views.sign_in import SignInView
from jwt_auth.views.users import LoginView, RefreshView, VerifyView

__all__ = [
    "LoginView",
    "MetadataView",
    "Pending",
    "ReauthenticateView",
    "Reauthentication",
    "RefreshView",
    "SessionExchangeView",
    "SignIn",
    "SignInSerializer",
    "SignInView",
    "Ticket",
    "VerifyView",
]
