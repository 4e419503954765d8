"""User models and managers as Django's documentation allows them: each makes a tour through the app, in both modes."""

import pytest

from tests.support.user_models import tour

ALONE = """
    from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
    from django.db import models

    class Manager(BaseUserManager):
        def create_user(self, email, password):
            user = self.model(email=email)
            user.set_password(password)
            user.save()
            return user

    class Base(AbstractBaseUser):
        email = models.EmailField(unique=True)
        objects = Manager()
        USERNAME_FIELD = "email"

        class Meta:
            abstract = True

    def make(name):
        return Person.objects.create_user(name, "pw")
"""

FULL = """
    from django.contrib.auth.models import AbstractUser, UserManager
    from django.db import models

    def make(name):
        return Person.objects.create_user(name, password="pw")
"""

MODELS = {
    "alone": f"""{ALONE}
    class Person(Base): pass
    """,
    "as Django documents it": f"""{ALONE}
    class Person(Base):
        is_active = models.BooleanField(default=True)
        is_admin = models.BooleanField(default=False)

        def has_perm(self, perm, obj=None):
            return self.is_admin

        def has_module_perms(self, app_label):
            return self.is_admin

        @property
        def is_staff(self):
            return self.is_admin

    def end(user):
        user.is_active = False
        user.save()
    """,
    "is_active as a property, and a value object of text": f"""{ALONE}
    from dataclasses import dataclass
    from django.utils import timezone
    from uuid import uuid4

    @dataclass(frozen=True)
    class Code:
        text: str

        def __str__(self):
            return self.text

    class CodeField(models.CharField):
        def to_python(self, value):
            return value if value is None or isinstance(value, Code) else Code(str(value))

        def from_db_value(self, value, expression, connection):
            return self.to_python(value)

        def get_prep_value(self, value):
            return None if value is None else str(value)

    class Person(Base):
        code = CodeField(max_length=32, primary_key=True, default=lambda: Code(uuid4().hex))
        left_at = models.DateTimeField(null=True)

        @property
        def is_active(self):
            return self.left_at is None

    def end(user):
        user.left_at = timezone.now()
        user.save(update_fields=["left_at"])
    """,
    "is_active as a generated column, and a UUID": f"""{ALONE}
    import uuid

    class Person(Base):
        number = models.UUIDField(primary_key=True, default=uuid.uuid4)
        left = models.BooleanField(default=False)
        is_active = models.GeneratedField(
            expression=~models.Q(left=True), output_field=models.BooleanField(), db_persist=True
        )

    def end(user):
        user.left = True
        user.save()
    """,
    "nothing but a text": f"""{ALONE}
    class Person(AbstractBaseUser):
        password = last_login = None
        email = models.EmailField(primary_key=True)
        objects = models.Manager()
        USERNAME_FIELD = "email"

    class Backend:
        def authenticate(self, request, username=None, password=None):
            return Person.objects.filter(email=username).first() if password == "pw" else None

    def make(name):
        return Person.objects.create(email=name)
    """,
    "a session hash of its own, and a value object of a number": f"""{ALONE}
    from dataclasses import dataclass
    from itertools import count

    @dataclass(frozen=True)
    class Number:
        value: int

        def __str__(self):
            return f"P-{{self.value}}"

    class NumberField(models.BigIntegerField):
        def to_python(self, value):
            return Number(int(value.removeprefix("P-"))) if isinstance(value, str) else value

        def from_db_value(self, value, expression, connection):
            return Number(value)

        def get_prep_value(self, value):
            return value.value if isinstance(value, Number) else value and int(str(value).removeprefix("P-"))

    numbers = count(2**40)

    class Person(Base):
        number = NumberField(primary_key=True, default=lambda: Number(next(numbers)))
        stamp = models.CharField(max_length=20, default="1")

        def get_session_auth_hash(self):
            return f"{{super().get_session_auth_hash()}}{{self.stamp}}"

    def end(user):
        user.stamp = "2"
        user.save(update_fields=["stamp"])
    """,
    "a proxy": f"""{FULL}
    class Row(AbstractUser):
        pass

    class Person(Row):
        class Meta:
            proxy = True

    def end(user):
        Row(pk=user.pk, username=user.username, password=user.password, is_active=False).save()
    """,
    "a child with a key of its own": f"""{FULL}
    class Human(AbstractUser):
        pass

    class Person(Human):
        code = models.CharField(max_length=50, primary_key=True)
        human_ptr = models.OneToOneField(Human, models.CASCADE, parent_link=True)

    def make(name):
        Human.objects.create_user(f"parent of {{name}}").save()
        return Person.objects.create_user(name, password="pw", code=f"code of {{name}}")

    def end(user):
        human = Human.objects.get(username=user.username)
        human.is_active = False
        human.save()
    """,
    "a one-to-one key, which is the name": f"""{ALONE}
    class Company(models.Model):
        pass

    class Person(AbstractBaseUser):
        company = models.OneToOneField(Company, models.CASCADE, primary_key=True)
        objects = Manager()
        USERNAME_FIELD = "company"

    def make(name):
        Company.objects.create()
        user = Person(company=Company.objects.create())
        user.set_password("pw")
        user.save()
        return user

    def typed(user):
        return str(user.company_id)
    """,
}

SETTINGS = {
    "nothing but a text": "AUTHENTICATION_BACKENDS = ['people.models.Backend']",
    "a one-to-one key, which is the name": "MIGRATED = True",
}

# Those whose end is not one of the account: the user signs in again.
SIGNS_IN_AGAIN = {"a session hash of its own, and a value object of a number"}

MANAGERS = {
    "plain": f"""{FULL}
    class Rows(models.QuerySet):
        def staff(self):
            return self.filter(is_staff=True)

        def delete(self):
            return self.update(is_active=False)

    class Nobody(models.Manager):
        def get_queryset(self):
            return super().get_queryset().none()

    class FewColumns(models.Manager):
        def get_queryset(self):
            return super().get_queryset().only("pk")

    class People(UserManager.from_queryset(Rows)):
        pass

    class Person(AbstractUser):
        nobody = Nobody()
        few_columns = FewColumns()
        objects = People()

        class Meta:
            default_manager_name = "objects"
            base_manager_name = "few_columns"

    def end(user):
        Person.objects.filter(pk=user.pk).delete()
    """,
    "annotating": f"""{FULL}
    class People(UserManager):
        def get_queryset(self):
            shown_as = models.functions.Concat(models.Value("ann"), models.Value("!"))
            return super().get_queryset().filter(deleted=False).annotate(shown_as=shown_as)

    class Person(AbstractUser):
        deleted = models.BooleanField(default=False)
        objects = People()

        def get_session_auth_hash(self):
            return super().get_session_auth_hash() + self.shown_as[-1]

    def end(user):
        Person.objects.filter(pk=user.pk).update(deleted=True)
    """,
    "is_active as an annotation": f"""{ALONE}
    class Active(Manager):
        def get_queryset(self):
            return super().get_queryset().annotate(is_active=models.Q(left=False))

    class Person(Base):
        left = models.BooleanField(default=False)
        objects = Active()

    def end(user):
        user.left = True
        user.save()
    """,
    "of children": f"""{FULL}
    class Rows(models.QuerySet):
        def _fetch_all(self):
            super()._fetch_all()
            self._result_cache = [getattr(row, "customer", row) for row in self._result_cache]

    class People(UserManager.from_queryset(Rows)):
        pass

    class Person(AbstractUser):
        objects = People()

    class Customer(Person):
        code = models.CharField(max_length=50, primary_key=True)
        person_ptr = models.OneToOneField(Person, models.CASCADE, parent_link=True)
        shown_as = "a customer"

    def make(name):
        Person.objects.create_user(f"parent of {{name}}")
        return Customer.objects.create_user(name, password="pw", code=f"code of {{name}}")
    """,
    "with related rows": f"""{FULL}
    class Company(models.Model):
        pass

    class People(UserManager):
        def get_queryset(self):
            return super().get_queryset().select_related("company").prefetch_related("groups").defer("first_name")

    class Person(AbstractUser):
        company = models.ForeignKey(Company, models.CASCADE, null=True)
        objects = People()

        @property
        def shown_as(self):
            return ["company" in self._state.fields_cache, *self._prefetched_objects_cache, *self.get_deferred_fields()]
    """,
    "soft deletion": f"""{FULL}
    class People(UserManager):
        def get_queryset(self):
            return super().get_queryset().filter(deleted=False)

    class Person(AbstractUser):
        deleted = models.BooleanField(default=False)
        objects = People()

    def end(user):
        user.deleted = True
        user.save()
    """,
}

# What request.user is, and the queries of a request in both modes: the manager is asked if it is not plain.
MADE = {
    "plain": (["Person", ""], 1, 1),
    "annotating": (["Person", "ann!"], 2, 1),
    "is_active as an annotation": (["Person", ""], 2, 1),
    "of children": (["Customer", "a customer"], 3, 2),
    "with related rows": (["Person", "[True, 'groups', 'first_name']"], 3, 2),
    "soft deletion": (["Person", ""], 1, 1),
}


# Each tour is a process of two seconds. These repeat most of what others find.
RARE = {
    *("alone", "nothing but a text", "is_active as a generated column, and a UUID"),
    *("a one-to-one key, which is the name", "of children", "with related rows", "is_active as an annotation"),
}


def tours(names):
    return [pytest.param(name, marks=[pytest.mark.thorough] if name in RARE else [], id=name) for name in names]


def expected(models, shown, queries, ended):
    told = {
        "shown": shown,
        "queries": queries,
        "me": True,
        "staff": [403, 403, 403, 403],
        "lists": [1, 0],
        "refreshed, and a client": [True, True],
        "live by command": True,
        "listed by command": True,
        "inspected": True,
        "revoked": [401, 401],
        "handed to hooks": True,
        "again": 200,
    }
    return {**told, "ended": ended} if "def end" in models else told


@pytest.mark.parametrize("name", tours(MODELS))
def test_a_user_model_makes_the_tour(tmp_path, name):
    told = tour(tmp_path, MODELS[name], settings=SETTINGS.get(name, ""))
    wanted = expected(MODELS[name], ["Person", ""], 1, [401, 200 if name in SIGNS_IN_AGAIN else 401])
    assert told == {"database": wanted, "memory": wanted}


@pytest.mark.parametrize("name", tours(MANAGERS))
def test_the_user_is_what_the_manager_makes(tmp_path, name):
    told = tour(tmp_path, MANAGERS[name])
    shown, *queries = MADE[name]
    assert told == {
        mode: expected(MANAGERS[name], shown, number, [401, 401])
        for mode, number in zip(("database", "memory"), queries, strict=True)
    }
