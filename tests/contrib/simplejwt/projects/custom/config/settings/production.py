from datetime import timedelta

from .base import *  # noqa

DEBUG = False

SECURE_SSL_REDIRECT = True

SIMPLE_JWT['ACCESS_TOKEN_LIFETIME'] = timedelta(minutes=10)  # noqa
