from django.contrib.auth.hashers import MD5PasswordHasher


class OldHasher(MD5PasswordHasher):
    """A hasher that used to be preferred: signing in rewrites its hashes."""

    algorithm = "old"


class NewHasher(MD5PasswordHasher):
    """A hasher that is preferred from now on, where a test names it first. It is not slow, because no test needs that."""

    algorithm = "new"
