"""
A user model of the project's own, with the cutoff as a field of its own.
"""

from django.contrib.auth.models import AbstractUser

from jwt_auth.base_models import TokensValidAfterMixin


class Member(TokensValidAfterMixin, AbstractUser):
    """With JWT_AUTH = {"USER_CUTOFF_FIELD": "tokens_valid_after"}, the cutoff comes with the user's row."""
