"""
How long tokens live at most.
"""

from datetime import timedelta

from jwt_auth.conf.settings import MAX_LEEWAY, get_settings


def longest_life() -> timedelta:
    """How long a token lives at most that is signed now, by us or a client, by whichever machine's clock and leeway."""
    settings = get_settings()
    services = (audience.lifetime for audience in settings.SERVICE_AUDIENCES.values())
    lifetime = max(settings.ACCESS_TOKEN_LIFETIME, settings.CLIENT_TOKEN_MAX_LIFETIME, *services)
    return lifetime + 2 * MAX_LEEWAY + timedelta(seconds=1)
