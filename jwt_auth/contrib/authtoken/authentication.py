"""
The authentication class for tokens of DRF's authtoken, which a project lists while it moves.
"""

from rest_framework.authentication import TokenAuthentication

from jwt_auth.contrib.former_tokens import FormerTokenMixin

__all__ = ["FormerTokenAuthentication"]


class FormerTokenAuthentication(FormerTokenMixin, TokenAuthentication):
    """
    Authenticates `Authorization: Token <key>` until FORMER_TOKENS["authtoken"].

    A project that has subclassed TokenAuthentication sets its `keyword` and `model` in a subclass of this class.
    """

    kind = "authtoken"
