"""
Users that are saved or deleted in ways that no view of this app uses: as children, in cycles, from a history.

Packages do so: django-polymorphic and django-model-utils delete children, django-simple-history saves instances that
were built with their key, and django-reversion saves rows as a fixture does.
"""

import pytest

from tests.support.other_project import in_another_project

MODELS = """
    from django.contrib.auth.models import AbstractUser
    from django.db import models
    from jwt_auth.base_models import TokensValidAfterMixin

    class Team(models.Model):
        leader = models.ForeignKey("Person", models.CASCADE, related_name="led", null={null})

    class Person(TokensValidAfterMixin, AbstractUser):
        team = models.ForeignKey(Team, models.CASCADE, null={null})

    class Teacher(Person):
        pass
"""

CODE = """
    from django.db import transaction
    from people.models import Person, Teacher, Team
    from jwt_auth import clients, sessions
    from jwt_auth.models import RegisteredClient, RevocationEvent

    def stored(model, name, **facts):
        user = model(username=name, **facts)
        user.set_password("pw")
        user.save()
        return user

    def with_client(user):
        clients.register("Robot", user)
        return user

    def found():
        return [
            sorted(Person.objects.values_list("username", flat=True)),
            RegisteredClient.objects.count(),
            sorted(RevocationEvent.objects.values_list("scope", "reason")),
        ]
"""

GONE = [[], 0, [["client", "client deleted"], ["user", "user deleted"]]]


def told_by(tmp_path, code, *, null=True, settings=""):
    return in_another_project(tmp_path, models=MODELS.replace("{null}", str(null)), code=CODE + code, settings=settings)


@pytest.mark.parametrize("kind", ["Person", "Teacher"])
def test_a_user_with_a_client_can_be_deleted_as_what_they_are(tmp_path, kind):
    code = f"""
    with_client(stored({kind}, "alice")).delete()
    tell(found())
    """
    assert told_by(tmp_path, code) == GONE


def test_a_user_in_a_cycle_of_rows_can_be_deleted(tmp_path):
    """Django then announces deletions in any order."""
    code = """
    with transaction.atomic():
        team = Team.objects.create(leader_id=7)
        alice = stored(Person, "alice", pk=7, team=team)
    with_client(alice).delete()
    tell(found())
    """
    assert told_by(tmp_path, code, null=False) == GONE


def test_a_child_that_leaves_its_user_behind_revokes_nothing(tmp_path):
    code = """
    with_client(stored(Teacher, "alice")).delete(keep_parents=True)
    tell(found())
    """
    assert told_by(tmp_path, code) == [["alice"], 1, []]


@pytest.mark.parametrize(
    "make",
    [
        "Person.objects.get()",
        "Person(pk=alice.pk, username='alice')",
    ],
)
def test_a_new_password_counts_however_the_instance_was_made(tmp_path, make):
    """An instance that was built with a stored key is updated by `save()`, although it says that it is being added."""
    code = f"""
    alice = stored(Person, "alice")
    changed = {make}
    changed.set_password("another")
    changed.save()
    tell(found()[2])
    """
    assert told_by(tmp_path, code) == [["user", "password changed"]]


@pytest.mark.parametrize("raw", [False, True])
def test_an_older_row_does_not_bring_an_earlier_cutoff_back(tmp_path, raw):
    """As a fixture, and as `revert()` of django-reversion, which restore rows as they are."""
    code = f"""
    from jwt_auth.revocation import revoke_user
    alice = stored(Person, "alice")
    old = Person.objects.get()
    revoke_user(alice)
    cutoff = Person.objects.get().tokens_valid_after
    old.save_base(raw={raw})
    tell(cutoff is not None and Person.objects.get().tokens_valid_after == cutoff)
    """
    assert told_by(tmp_path, code, settings='JWT_AUTH = {"USER_CUTOFF_FIELD": "tokens_valid_after"}')
