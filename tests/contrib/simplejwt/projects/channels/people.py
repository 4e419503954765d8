"""Users for demonstrations: make("alice") returns a name and a password to sign in with."""

from django.contrib.auth import get_user_model


def make(name):
    get_user_model().objects.create_user(username=name, password=f"{name}-secret")
    return name, f"{name}-secret"
