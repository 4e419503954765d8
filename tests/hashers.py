from django.contrib.auth.hashers import MD5PasswordHasher


class OldHasher(MD5PasswordHasher):
    """A hasher that used to be preferred: signing in rewrites its hashes."""

    algorithm = "old"
