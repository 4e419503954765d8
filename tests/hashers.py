from django.contrib.auth.hashers import MD5PasswordHasher


class OldHasher(MD5PasswordHasher):
    """A hasher that used to be preferred: signing in rewrites its hashes."""

    algorithm = "old"


class NewHasher(MD5PasswordHasher):
    """A hasher that a test makes the preferred one: signing in then rewrites all other hashes."""

    algorithm = "new"
