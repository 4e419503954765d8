"""
A process that uses tokens up: `python -m tests.authentication.burner DATABASE CACHE_URL TIMES`.

It prints that it is ready, waits for a line, and then prints for each token whether it was the first to use it.
"""

import os
import sys
from datetime import timedelta

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    from django.conf import settings

    database, cache_url, times = sys.argv[1:]
    settings.DATABASES["default"]["NAME"] = database
    if cache_url:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": cache_url}}
    django.setup()
    from django.db import connection
    from django.utils import timezone

    from jwt_auth.authentication.replay import burn
    from jwt_auth.exceptions import ReplayedTokenError

    connection.ensure_connection()
    until = timezone.now() + timedelta(minutes=5)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()

    def bring(jti: str) -> str:
        try:
            burn("client_a", jti, until)
        except ReplayedTokenError:
            return "0"
        return "1"

    sys.stdout.write("".join(bring(f"token {number}") for number in range(int(times))))
