"""
The options of SIMPLEJWT, for modules that also work in a project without that setting.
"""

from jwt_auth.conf.simplejwt import SimpleJWT, simplejwt

_DEFAULTS = SimpleJWT()


def options() -> SimpleJWT:
    """Return the options in force; the defaults if the project does not set SIMPLEJWT. Never call it at import."""
    return simplejwt() or _DEFAULTS
