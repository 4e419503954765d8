"""
The users in the stories.
"""

import secrets
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model


def make_users() -> dict[str, str]:
    """Create alice, bob and admin, or set new passwords, which ends their sessions; return the passwords by name."""
    make = partial(_make_user, is_active=True)
    return {
        "alice": make("alice", is_staff=False, is_superuser=False),
        "bob": make("bob", is_staff=False, is_superuser=False),
        "admin": make("admin", is_staff=True, is_superuser=True),
    }


def _make_user(name: str, **fields: Any) -> str:
    model = get_user_model()
    user = model._default_manager.filter(username=name).first() or model(username=name)
    for field, value in fields.items():
        setattr(user, field, value)
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save()
    return password
