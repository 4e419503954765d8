"""The settings in force."""

from jwt_auth.conf.settings import get_settings

__all__ = ["get_settings"]
