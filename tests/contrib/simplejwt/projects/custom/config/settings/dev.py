from .base import *  # noqa

DEBUG = True

PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']
