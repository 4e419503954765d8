"""
The longest lifetime of tokens.
"""

from datetime import timedelta

from jwt_auth.conf.settings import MAX_LEEWAY, get_settings


def longest_life() -> timedelta:
    """
    Return the longest time for which a token can be valid that we or a client sign now.

    It covers every machine's clock and leeway.
    """
    settings = get_settings()
    services = (audience.lifetime for audience in settings.SERVICE_AUDIENCES.values())
    lifetime = max(settings.ACCESS_TOKEN_LIFETIME, settings.CLIENT_TOKEN_MAX_LIFETIME, *services)
    return lifetime + 2 * MAX_LEEWAY + timedelta(seconds=1)
