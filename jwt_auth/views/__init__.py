"""The endpoints: a serializer reads, `sessions` or `revocation` acts, and a transport writes."""

from jwt_auth.views.servers import MetadataView
from jwt_auth.views.users import LoginView, RefreshView, VerifyView

__all__ = ["LoginView", "MetadataView", "RefreshView", "VerifyView"]
