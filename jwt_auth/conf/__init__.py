"""The settings in force. This room is private: projects write `JWT_AUTH`, and don't read it here."""

from jwt_auth.conf.settings import get_settings as get_settings
