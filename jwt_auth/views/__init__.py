"""The endpoints: thin, a serializer reads, `sessions` or `revocation` acts, a transport writes."""

from jwt_auth.views.servers import MetadataView
from jwt_auth.views.users import LoginView, RefreshView, VerifyView

__all__ = ["LoginView", "MetadataView", "RefreshView", "VerifyView"]
