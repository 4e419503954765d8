"""
DRF permissions that judge the claims of a token: its scopes, and the sign-in of its user.

A scope limits a token, and grants the user nothing: check scopes and the user's permissions separately, with one
permission class for each.
"""

from jwt_auth.permissions.requirements import HasACR, HasAMR, HasScope, SignedInWithin

__all__ = ["HasACR", "HasAMR", "HasScope", "SignedInWithin"]
