"""
The project's own user model, with a field for the cutoff.
"""

from django.contrib.auth.models import AbstractUser

from jwt_auth.base_models import TokensValidAfterMixin


class Member(TokensValidAfterMixin, AbstractUser):
    """With JWT_AUTH = {"USER_CUTOFF_FIELD": "tokens_valid_after"}, the cutoff is in the user's row."""
