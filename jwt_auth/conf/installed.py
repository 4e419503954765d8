"""
The apps that this one needs in INSTALLED_APPS.
"""

from django.apps import apps

from jwt_auth.exceptions import ConfigurationError

_NEEDED = ("django.contrib.contenttypes", "django.contrib.auth", "jwt_auth")


def require_apps() -> None:
    """Raise ConfigurationError if an app is missing; Django's own error would name the first model and no remedy."""
    missing = [name for name in _NEEDED if not apps.is_installed(name)]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise ConfigurationError(
            "E009",
            f"INSTALLED_APPS lacks {names}, which the models of jwt_auth need.",
            f"Add {names} to INSTALLED_APPS, and run manage.py migrate.",
        )
