"""Users for demonstrations: make("carol") returns an e-mail address and a password to sign in with."""

from common.models import Org, Profile, User


def make(name):
    email = f"{name}@example.com"
    org, _ = Org.objects.get_or_create(name="First")
    Profile.objects.create(user=User.objects.create_user(email, f"{name}-secret"), org=org, role="ADMIN")
    return email, f"{name}-secret"
