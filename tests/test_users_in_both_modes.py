"""The user of a token behaves the same in both modes, also before its row was read."""

import copy
import json
import pickle
import weakref
from functools import singledispatch

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    get_user_model,
    login,
    logout,
    update_session_auth_hash,
)
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.auth.tokens import default_token_generator
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.cache import SessionStore
from django.core import serializers
from django.core.cache import cache
from django.db import models, transaction
from django.db.models import Value
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.forms import modelform_factory
from django.forms.models import model_to_dict
from django.template import engines
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.serializers import CurrentUserDefault, HiddenField, ModelSerializer, PrimaryKeyRelatedField
from rest_framework.throttling import UserRateThrottle

from example_project.notes.models import Note
from jwt_auth import sessions
from jwt_auth.verification import verify

MODES = ["database", "memory"]


@pytest.fixture(params=MODES)
def asked(request, user, jwt_settings):
    """The user of a token, as a request gets it."""
    jwt_settings(REVOCATION=request.param)
    return verify(sessions.start(user).access_token).user


def model():
    return get_user_model()


def request_of(user):
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), user
    return request


def heard(signals, act, sender=None):
    """Return what receivers for the user model hear while `act` runs."""
    seen = []

    def hear(sender, signal, **_):
        seen.append((signals.index(signal), sender))

    for signal in signals:
        signal.connect(hear, sender=sender or model())
    try:
        act()
    finally:
        for signal in signals:
            signal.disconnect(hear, sender=sender or model())
    return seen


# What the class is asked for


@singledispatch
def dispatched(value):
    return "anything"


@dispatched.register(AbstractBaseUser)
def _(value):
    return "a user"


@dispatched.register(AnonymousUser)
def _(value):
    return "nobody"


def matched(user):
    match user:
        case AnonymousUser():
            return "nobody"
        case AbstractBaseUser():
            return "a user"


CLASS = {
    "__class__": lambda user: user.__class__ is model(),
    "type()()": lambda user: type(type(user)(pk=user.pk)) is model() and type(user)(pk=user.pk) == user,
    "from_db": lambda user: type(type(user).from_db("default", [user._meta.pk.attname], [user.pk])) is model(),
    "by class": lambda user: {model(): "found"}.get(user.__class__),
    "isinstance": lambda user: isinstance(user, model()) and not isinstance(user, Note | AnonymousUser),
    "issubclass": lambda user: issubclass(type(user), model()) and issubclass(user.__class__, AbstractBaseUser),
    "singledispatch": dispatched,
    "match": matched,
    "names": lambda user: (type(user).__name__, type(user).__module__, type(user).__qualname__),
    "_meta": lambda user: (user._meta.label, user._meta.model is model(), user._meta.concrete_model is model()),
    "content type": lambda user: ContentType.objects.get_for_model(user) == ContentType.objects.get_for_model(model()),
    "managers": lambda user: user.__class__._default_manager is model()._default_manager,
    "DoesNotExist": lambda user: user.__class__.DoesNotExist is model().DoesNotExist,
    "SimpleLazyObject": lambda user: SimpleLazyObject(lambda: user).__class__ is model(),
}


@pytest.mark.parametrize("ask", CLASS.values(), ids=CLASS)
def test_its_class_is_the_model(asked, ask, django_assert_max_num_queries):
    with django_assert_max_num_queries(1):  # a content type is read once
        answer = ask(asked)
    assert answer == ask(model()._default_manager.get(pk=asked.pk))
    assert answer


# What Django, DRF and their users read


def serialized(user):
    class UserSerializer(ModelSerializer):
        class Meta:
            model = get_user_model()
            fields = (get_user_model().USERNAME_FIELD, "pk")

    return UserSerializer(user).data


def defaulted(user):
    class NoteSerializer(ModelSerializer):
        owner = HiddenField(default=CurrentUserDefault())

        class Meta:
            model = Note
            fields = ("owner", "text")

    serializer = NoteSerializer(data={"text": "mine"}, context={"request": request_of(user)})
    assert serializer.is_valid()
    saved = serializer.save()
    return saved.owner_id, Note.objects.get(pk=saved.pk).owner.get_username()


def log_entry(user):
    entry = LogEntry.objects.create(
        user=user, content_type=ContentType.objects.get_for_model(user), object_id=user.pk, action_flag=CHANGE
    )
    return entry.user == user, entry.get_edited_object() == user, LogEntry.objects.filter(user=user).count() > 0


def prefetched(user):
    models.prefetch_related_objects([user], "groups")
    return list(user.groups.all())


def cached(user):
    cache.set("user", user)
    found = cache.get("user")
    return type(found) is model(), found == user, found.get_username(), found.__class__ is model()


def permitted(user):
    request = request_of(user)
    request.method = "POST"
    view = type("View", (), {"queryset": Note.objects.all()})()
    return DjangoModelPermissions().has_permission(request, view)


def cleaned(user):
    user.full_clean()
    return user.get_username()


def form(user):
    initial = modelform_factory(model(), fields=[model().USERNAME_FIELD])(instance=user).initial
    return initial, str(modelform_factory(Note, fields=["owner"])(initial={"owner": user})["owner"])


def throttle_key(user):
    throttle = UserRateThrottle.__new__(UserRateThrottle)
    return throttle.get_cache_key(request_of(user), None)


def notes(user):
    Note.objects.create(owner=user, text="one")
    Note(owner=user, text="two").save()
    Note.objects.bulk_create([Note(owner=user, text="three")])
    found = Note.objects.filter(owner=user).exclude(owner=user, text="two")
    texts = sorted(found.filter(owner__in=[user]).values_list("text", flat=True))
    other_way = user.notes.count() if hasattr(user, "notes") else Note.objects.filter(owner_id=user.pk).count()
    Note.objects.all().delete()
    return texts, other_way


def locked(user):
    with transaction.atomic():
        return model()._default_manager.select_for_update().get(pk=user.pk) == user


def again(user):
    user.refresh_from_db()
    return user.get_username()


def one_column_again(user):
    user.refresh_from_db(fields=["password"])
    return user.password


def saved_with(user):
    user.is_active = True
    user.save(update_fields=["is_active"])
    return model()._default_manager.get(pk=user.pk).get_username()


def in_bulk(user):
    return model()._default_manager.bulk_update([user], ["password"]), user.password


def granted(user):
    user.user_permissions.add(Permission.objects.get(codename="revoke_user"))
    user.groups.add(Group.objects.get_or_create(name="readers")[0])
    return user.has_perm("jwt_auth.revoke_user"), [str(group) for group in user.groups.all()]


def annotated(user):
    return str(Note.objects.annotate(mine=Value(user.pk)).filter(models.Q(owner=user)).query)


def columns(user):
    """`_state` is an object without equality."""
    return {name: value for name, value in vars(user).items() if name != "_state"}


LOOKS = {
    "str": str,
    "repr": repr,
    "format": "{}".format,
    "vars": columns,
    "__dict__": lambda user: user.__dict__["password"],
    "equal": lambda user: (user == model()._default_manager.get(pk=user.pk), user != AnonymousUser(), user != Note()),
    "hash": lambda user: hash(user) == hash(model()._default_manager.get(pk=user.pk)),
    "in": lambda user: user in set(model()._default_manager.all()) and user in list(model()._default_manager.all()),
    "bool": bool,
    "pickle": lambda user: columns(pickle.loads(pickle.dumps(user)))["password"],
    "class of a pickle": lambda user: type(pickle.loads(pickle.dumps(user))) is model(),
    "copy": lambda user: (copy.copy(user) == user, type(copy.copy(user)) is model(), copy.copy(user).get_username()),
    "deepcopy": lambda user: (type(copy.deepcopy([user])[0]) is model(), copy.deepcopy(user).get_username()),
    "weakref": lambda user: weakref.ref(user)() is user,
    "state": lambda user: (user._state.db, user._state.adding),
    "deferred": lambda user: user.get_deferred_fields(),
    "serializable_value": lambda user: user.serializable_value("pk"),
    "getattr": lambda user: (getattr(user, "no_such_thing", None), hasattr(user, "profile"), hasattr(user, "email")),
    "model_to_dict": lambda user: model_to_dict(user, exclude=["groups", "user_permissions"]),
    "serializers": lambda user: json.loads(serializers.serialize("json", [user])),
    "ModelSerializer": serialized,
    "PrimaryKeyRelatedField": lambda user: PrimaryKeyRelatedField(read_only=True).to_representation(user),
    "CurrentUserDefault": defaulted,
    "form": form,
    "full_clean": cleaned,
    "template": lambda user: engines["django"].from_string("{{ u }} {{ u.pk }} {{ u.is_staff }}").render({"u": user}),
    "session hash": lambda user: user.get_session_auth_hash(),
    "token": lambda user: default_token_generator.check_token(user, default_token_generator.make_token(user)),
    "password": lambda user: (user.check_password("wrong"), user.has_usable_password()),
    "natural key": lambda user: model()._default_manager.get_by_natural_key(*user.natural_key()) == user,
    "permissions": lambda user: (
        user.has_perm("auth.view_user"),
        user.get_all_permissions(),
        user.has_module_perms("x"),
    ),
    "DjangoModelPermissions": permitted,
    "throttle": throttle_key,
    "notes": notes,
    "annotated": annotated,
    "LogEntry": log_entry,
    "prefetch": prefetched,
    "cache": cached,
    "select_for_update": locked,
    "refresh_from_db": again,
    "refresh_from_db(fields)": one_column_again,
    "save(update_fields)": saved_with,
    "bulk_update": in_bulk,
    "many-to-many": granted,
    "sessions": lambda user: user.jwt_sessions.count(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_is_read_of_it_is_what_an_ordinary_user_gives(asked, look):
    expected = look(model()._default_manager.get(pk=asked.pk))
    assert look(asked) == expected


# What it sends


@pytest.mark.parametrize("signal", [user_logged_in, user_logged_out], ids=["login", "logout"])
def test_receivers_for_the_model_hear_django(asked, signal):
    act = login if signal is user_logged_in else logout
    request = request_of(asked)
    arguments = {"user": asked, "backend": "django.contrib.auth.backends.ModelBackend"} if act is login else {}
    assert heard([signal], lambda: act(request, **arguments)) == [(0, model())]


def test_receivers_for_the_model_hear_what_is_sent_as_most_packages_do(asked):
    assert heard([user_logged_out], lambda: user_logged_out.send(sender=asked.__class__)) == [(0, model())]


def test_receivers_for_the_model_hear_the_orm(asked):
    signals = [pre_save, post_save, pre_delete, post_delete]
    assert heard(signals, asked.save) == [(0, model()), (1, model())]
    assert heard(signals, asked.delete) == [(2, model()), (3, model())]


def test_a_signal_of_its_type_hides_no_receivers_of_the_model(asked):
    post_save.send(sender=type(asked), instance=asked, created=False)
    assert heard([post_save], asked.save) == [(0, model())]


def test_receivers_get_an_instance_of_the_model(asked):
    seen = []

    def hear(instance, **_):
        seen.append((type(instance) is model(), instance is asked))

    post_save.connect(hear, sender=model())
    try:
        asked.save()
    finally:
        post_save.disconnect(hear, sender=model())
    assert seen == [(True, True)]


# What is written with it


def test_what_is_assigned_and_saved_is_saved_and_the_rest_is_left_alone(asked):
    before = columns(model()._default_manager.get(pk=asked.pk))
    asked.last_login = None
    asked.is_superuser = True
    asked.save()
    assert columns(model()._default_manager.get(pk=asked.pk)) == {**before, "is_superuser": True}


def test_a_django_session_of_it_goes_on_after_a_new_password(asked):
    request = request_of(asked)
    login(request, asked, backend="django.contrib.auth.backends.ModelBackend")
    assert request.session[BACKEND_SESSION_KEY].endswith("ModelBackend")
    asked.set_password("a quite different password")
    asked.save()
    update_session_auth_hash(request, asked)
    assert request.session[HASH_SESSION_KEY] == asked.get_session_auth_hash()
