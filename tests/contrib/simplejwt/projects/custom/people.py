"""Users for demonstrations: make('anna') returns an e-mail address and a password to sign in with."""

from accounts.models import User


def make(name):
    email = name + '@example.com'
    User.objects.create_user(email, name + '-secret', role='manager')
    return email, name + '-secret'
