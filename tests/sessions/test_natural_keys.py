"""Users whose names can't be compared in the database, in a project whose manager finds them by a digest."""

import textwrap

from tests.support.other_project import in_another_project

MODELS = """
    import hashlib
    from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
    from django.contrib.auth.models import PermissionsMixin
    from django.core import signing
    from django.core.exceptions import FieldError
    from django.db import models

    class SealedField(models.TextField):
        def get_prep_value(self, value):
            return signing.dumps(value)
        def from_db_value(self, value, expression, connection):
            return signing.loads(value)
        def get_lookup(self, name):
            raise FieldError("sealed values can't be compared")

    def digest(email):
        return hashlib.sha256(email.lower().encode()).hexdigest()

    class Manager(BaseUserManager):
        def get_by_natural_key(self, email):
            return self.get(digest=digest(email))

    class Person(AbstractBaseUser, PermissionsMixin):
        email = SealedField()
        digest = models.CharField(max_length=64, unique=True)
        objects = Manager()
        USERNAME_FIELD = "email"
"""

CODE = """
    from django.contrib.auth import authenticate
    from jwt_auth.management.terminal import find_user
    from jwt_auth.revocation import revoke_user
    from jwt_auth.sessions import find_account
    from people.models import Person, digest

    person = Person(email="ann@example.com", digest=digest("ann@example.com"))
    person.set_password("pw")
    person.save()
    boss = Person(email="boss@example.com", digest=digest("boss@example.com"), is_superuser=True)
    boss.set_password("pw")
    boss.save()

    def sign_in(email, password="pw"):
        return client().post("/auth/login/", {"email": email, "password": password}, format="json")

    def revoke(email):
        token = sign_in("boss@example.com").json()["access_token"]
        return client(token).post("/auth/revoke/user/", {"username": email}, format="json").status_code

    statuses = [sign_in(*arguments).status_code for arguments in (
        ("ann@example.com",), ("ANN@example.com",), ("ann@example.com", "wrong"), ("nobody@example.com",),
    )]
    cutoff = revoke_user(person).tokens_valid_after
    tell({
        "by Django": authenticate(None, username="ann@example.com", password="pw") == person,
        "here": statuses,
        "cutoff": find_account("Ann@example.com").cutoff == cutoff,
        "by staff": [revoke("Ann@example.com"), revoke("nobody@example.com")],
        "by command": find_user("ANN@EXAMPLE.COM").pk == person.pk,
    })
"""


def test_names_that_only_the_manager_can_find(tmp_path):
    settings = 'SILENCED_SYSTEM_CHECKS = ["auth.E003", "auth.W004"]'
    assert in_another_project(tmp_path, models=MODELS, code=CODE, settings=settings) == {
        "by Django": True,
        "here": [200, 200, 401, 401],
        "cutoff": True,
        "by staff": [200, 404],
        "by command": True,
    }


WITHOUT = """
    from django.contrib.auth.models import AbstractUser
    from django.db import models

    class Person(AbstractUser):
        objects = models.Manager()
"""

WITHOUT_CODE = """
    from jwt_auth.sessions import find_account
    from jwt_auth.sessions.accounts import users_by_name
    from people.models import Person

    person = Person(username="ann")
    person.set_password("pw")
    person.save()
    answers = [client().post("/auth/login/", {"username": "ann", "password": password}, format="json").status_code
               for password in ("pw", "wrong")]
    tell([answers, find_account("ann").pk == person.pk, users_by_name("ann") == [person]])
"""

BACKEND = """
    from people.models import Person

    class Backend:
        def authenticate(self, request, username=None, password=None):
            person = Person.objects.filter(username=username).first()
            return person if person and person.check_password(password) else None

        def get_user(self, pk):
            return Person.objects.filter(pk=pk).first()
"""


def test_a_manager_without_natural_keys_beside_a_backend_that_needs_none(tmp_path):
    (tmp_path / "backends.py").write_text(textwrap.dedent(BACKEND))
    settings = 'AUTHENTICATION_BACKENDS = ["backends.Backend"]'
    found = in_another_project(tmp_path, models=WITHOUT, code=WITHOUT_CODE, settings=settings)
    assert found == [[200, 401], True, True]


PROXIES = """
    from django.contrib.auth.models import AbstractUser

    class Person(AbstractUser):
        pass

    class Clerk(Person):
        class Meta:
            proxy = True
"""

PROXIES_BACKEND = """
    from people.models import Clerk

    class Backend:
        def authenticate(self, request, username=None, password=None):
            clerk = Clerk.objects.filter(email=username).first()
            return clerk if clerk and clerk.check_password(password) else None

        def get_user(self, pk):
            return Clerk.objects.filter(pk=pk).first()
"""

PROXIES_CODE = """
    from people.models import Person

    person = Person(username="ann", email="ann@example.com")
    person.set_password("pw")
    person.save()

    def sign_in(password, address, name="ann@example.com"):
        body = {"username": name, "password": password}
        return client().post("/auth/login/", body, format="json", REMOTE_ADDR=address)

    answer = sign_in("pw", "192.0.2.1")
    me = client(answer.json()["access_token"]).get("/auth/me/").json()
    # The failures are the account's, and close its other name as well.
    for number in range(10):
        sign_in("wrong", f"198.51.100.{number}")
    Person.objects.update(email="ann2@example.com")
    names = ("ann@example.com", "ann2@example.com")
    statuses = [sign_in("pw", f"192.0.2.{9 + number}", name).status_code for number, name in enumerate(names)]
    tell([answer.status_code, me["user"], statuses])
"""


def test_a_backend_may_return_a_proxy(tmp_path):
    (tmp_path / "backends.py").write_text(textwrap.dedent(PROXIES_BACKEND))
    settings = 'AUTHENTICATION_BACKENDS = ["backends.Backend"]\nJWT_AUTH = {"LOGIN_THROTTLE": "1/s"}'
    found = in_another_project(tmp_path, models=PROXIES, code=PROXIES_CODE, settings=settings)
    assert found == [200, {"id": "1", "username": "ann"}, [429, 401]]
