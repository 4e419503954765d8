"""The compiled query of each request: it returns the same as the ORM, down to the last attribute."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection, connections, models
from django.db.models import query
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth._django.compiled import CompiledQuery
from jwt_auth._django.differences import note_difference
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidClaimError
from jwt_auth.issuers.ours import ourselves
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import database, revoke_all, revoke_session, revoke_token, revoke_user, subjects
from jwt_auth.user_model import manager_is_plain
from jwt_auth.verification import identify_only


@pytest.fixture
def claims(user):
    return identify_only(sessions.start(user).access_token)


def by_orm(claims):
    subject = subjects.token_subject(claims.iss, claims.jti)
    return database.session_of_token(subjects.parse_sid(claims.sid), subject).get()


def everything(instance):
    """Return everything that an instance holds, including the rows that it is joined to."""
    if not isinstance(instance, models.Model):
        return instance
    state = instance._state
    values = {name: value for name, value in vars(instance).items() if name != "_state"}
    joined = {
        name: value if isinstance(value, UserSession) else everything(value)
        for name, value in state.fields_cache.items()
        if name != "user" or isinstance(instance, UserSession)
    }
    return type(instance), values, state.db, state.adding, joined, instance.get_deferred_fields()


STORIES = {
    "nothing happened": lambda claims, user: None,
    "cut off before": lambda claims, user: revoke_user(user),
    "everybody cut off": lambda claims, user: revoke_all(),
    "the token denied": lambda claims, user: revoke_token(claims),
    "the session revoked": lambda claims, user: revoke_session(uuid.UUID(claims.sid), reason="é"),
    "an inactive user": lambda claims, user: type(user).objects.filter(pk=user.pk).update(is_active=False),
}


@pytest.mark.parametrize("happens", STORIES.values(), ids=STORIES)
def test_it_is_what_the_orm_gives(user, claims, happens, django_assert_num_queries):
    happens(claims, user)
    with django_assert_num_queries(1):
        found = database.find_by_token(claims)
        state = database.state_of(found)
    expected = by_orm(claims)
    assert everything(found) == everything(expected)
    assert state == database.state_of(expected)
    assert found == expected
    assert {type(value) for value in vars(found).values()} == {type(value) for value in vars(expected).values()}


def test_it_finds_each_token_its_own(user, make_user):
    pairs = [sessions.start(owner) for owner in (user, make_user("bob"), user)]
    for pair in (*pairs, pairs[0]):
        found = database.find_by_token(identify_only(pair.access_token))
        assert found.pk == pair.session_id
    revoke_token(identify_only(pairs[0].access_token))
    denied = [database.find_by_token(identify_only(pair.access_token)).token_denied for pair in pairs]
    assert denied == [True, False, False]


def test_there_is_none_when_the_row_is_gone(claims):
    UserSession.objects.all().delete()
    assert database.find_by_token(claims) is None


@pytest.mark.parametrize("sub", ["other", "01", "no key", "9" * 40], ids=["another user", "01", "text", "too long"])
def test_a_token_of_another_user_is_refused_for_that_reason(user, make_user, sub):
    """Its session is found all the same, by one more query. The same token with the right `sub` is the control."""
    claims = identify_only(sessions.start(user).access_token)
    sub = user_id_of(make_user("bob")) if sub == "other" else sub
    assert database.find_by_token(replace(claims, sub=sub)).user == user
    with pytest.raises(InvalidClaimError, match="is not the session's user"):
        ourselves().look_ups.database(replace(claims, sub=sub), timezone.now())
    state, _ = ourselves().look_ups.database(claims, timezone.now())
    assert state.principal_active


@pytest.mark.parametrize("sub", ["0", "2000000000"])
def test_a_key_that_a_database_never_assigns_is_refused_for_that_reason(claims, monkeypatch, sub):
    """MariaDB has no automatic key 0, so its backend raises an error for one that is to be stored."""

    def refuse(value):
        if value == 0:
            raise ValueError("does not accept 0 as a value for AutoField")
        return value

    monkeypatch.setattr(connection.ops, "validate_autopk_value", refuse)
    ourselves().look_ups.database(claims, timezone.now())
    with pytest.raises(InvalidClaimError, match="not the session's user"):
        ourselves().look_ups.database(replace(claims, sub=sub), timezone.now())


def test_where_sub_is_no_key_the_query_does_not_name_the_user(user, jwt_settings, django_assert_num_queries):
    jwt_settings(USER_ID_FIELD=user.USERNAME_FIELD)
    claims = identify_only(sessions.start(user).access_token)
    database.find_by_token(claims)
    with django_assert_num_queries(1) as captured:
        assert database.find_by_token(claims).user == user
    with_key = str(database.session_of_token(uuid.uuid4(), "x", user=user.pk).query)
    assert captured[0]["sql"].count("user_id") < with_key.count("user_id")


def test_columns_that_no_verdict_needs_are_loaded_when_looked_at(claims):
    found = database.find_by_token(claims)
    assert found.get_deferred_fields() == set(database._UNJUDGED)
    assert found.handle == UserSession.objects.get().handle


def test_the_user_can_be_saved_and_pickled_like_any_other(user, claims):
    found = database.find_by_token(claims).user
    found.is_active = False
    found.save()
    user.refresh_from_db()
    assert not user.is_active


def test_it_is_compiled_once_and_anew_when_a_setting_changes(claims, jwt_settings, monkeypatch):
    compiled = []
    build = CompiledQuery._compile

    def watch(self, queryset, connection):
        compiled.append(queryset)
        build(self, queryset, connection)

    monkeypatch.setattr(CompiledQuery, "_compile", watch)
    database._compiled_for.cache_clear()
    for _ in range(3):
        database.find_by_token(claims)
    assert len(compiled) == 1
    jwt_settings(REALM="other")
    database.find_by_token(claims)
    assert len(compiled) == 2


def test_the_cutoff_is_part_of_it_wherever_it_is(user, claims, jwt_settings, settings):
    revoke_user(user)
    before = database.state_of(database.find_by_token(claims)).cutoffs
    if "USER_CUTOFF_FIELD" in settings.JWT_AUTH:
        jwt_settings(USER_CUTOFF_FIELD=None)
        assert database.state_of(database.find_by_token(claims)).cutoffs == (None, None)
    assert before[0] is not None


def test_threads_share_it_and_it_keeps_no_connection_open(claims):
    database.find_by_token(claims)
    compiled = database._compiled("default")
    assert compiled is database._compiled("default")
    held = [value for value in vars(compiled).values() if isinstance(value, type(connection))]
    assert not held
    bound = {getattr(getattr(convert, "__self__", None), "connection", None) for _, convert, _ in compiled._converters}
    assert all(held.connection is None for held in bound - {None})


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_several_threads_at_once_find_their_own(make_user):
    users = [make_user(f"user{i}") for i in range(4)]
    claims = [identify_only(sessions.start(user).access_token) for user in users]
    database._compiled_for.cache_clear()

    def work(i):
        try:
            return {database.find_by_token(claims[i]).user.pk for _ in range(25)}
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [{user.pk} for user in users]


@pytest.fixture
def tenants(monkeypatch):
    """The keys of users that the default manager hides from then on."""
    hidden = set()

    class TenantManager(type(get_user_model()._default_manager)):
        def get_queryset(self):
            return super().get_queryset().exclude(pk__in=hidden)

    manager = TenantManager()
    manager.contribute_to_class(get_user_model(), "tenants")
    monkeypatch.setitem(vars(get_user_model()._meta), "default_manager", manager)
    yield hidden
    monkeypatch.undo()
    get_user_model()._meta.local_managers.remove(manager)
    del get_user_model().tenants
    get_user_model()._meta._expire_cache()


def test_a_manager_that_hides_users_is_asked_each_time(user, claims, tenants):
    assert not manager_is_plain()
    assert database.find_by_token(claims).user == user
    tenants.add(user.pk)
    assert database.find_by_token(claims) is None
    tenants.clear()
    assert database.find_by_token(claims).user == user


def test_without_one_there_is_nothing_to_ask():
    assert manager_is_plain()


@pytest.mark.django_db
def test_any_query_for_one_row_can_be_compiled():
    RevocationEvent.objects.create(scope="all", subject="x y", reason="a")
    compiled = CompiledQuery(by_subject, subject=RevocationEvent._meta.get_field("subject"))
    assert compiled.first(subject="x y").reason == "a"
    assert compiled.first(subject="stand-in") is None
    assert compiled.is_compiled


def by_subject(subject):
    return RevocationEvent.objects.filter(subject=subject)


def test_a_related_row_may_be_missing(user):
    def find(number):
        return LogEntry.objects.select_related("content_type").filter(action_flag=number)

    content_type = ContentType.objects.get_for_model(UserSession)
    for number, related in ((1, None), (2, content_type)):
        LogEntry.objects.create(user=user, action_flag=number, content_type=related)
    compiled = CompiledQuery(find, number=LogEntry._meta.get_field("action_flag"))
    assert [compiled.first(number=number).content_type for number in (1, 2)] == [None, content_type]
    assert compiled.is_compiled


# A Django with other internals


AS_SQL = SQLCompiler.as_sql


def without_parameters(compiler, *args, **kwargs):
    return AS_SQL(compiler, *args, **kwargs)[0], ()


class OtherPopulator:
    """A populator with another signature, which is noticed when the first row has come."""

    reorder_for_init = True

    def populate(self):
        """Take no row."""


OTHER_INSIDES = {
    "no populators": lambda patch: patch.delattr(query, "get_related_populators"),
    "other populators": lambda patch: patch.setattr(query, "get_related_populators", lambda *args: [OtherPopulator()]),
    "populators without columns": lambda patch: patch.setattr(
        query, "get_related_populators", lambda *args: [object()]
    ),
    "no facts on the model": lambda patch: patch.setattr(
        SQLCompiler, "klass_info", property(lambda self: None, lambda self, value: None), raising=False
    ),
    "parameters elsewhere": lambda patch: patch.setattr(SQLCompiler, "as_sql", without_parameters),
}


@pytest.fixture(params=OTHER_INSIDES.values(), ids=OTHER_INSIDES)
def other_insides(request, monkeypatch):
    """Compile the query of the next requests while Django's internals are different."""
    note_difference.cache_clear()
    database._compiled_for.cache_clear()
    with monkeypatch.context() as patch:
        request.param(patch)
        database._compiled("default")
    yield
    database._compiled_for.cache_clear()
    note_difference.cache_clear()


def test_another_django_still_answers_by_the_slower_way_with_one_warning(client, user, other_insides, caplog):
    pair, other = client.tokens(user), client.tokens(user)
    caplog.clear()
    for _ in range(3):
        assert client.get_me(pair["access_token"]).status_code == 200
    revoke_session(uuid.UUID(other["session"]))
    assert client.get_me(other["access_token"]).json()["code"] == "token_revoked"
    assert not database._compiled("default").is_compiled


def test_it_warns_once(caplog):
    note_difference.cache_clear()
    for _ in range(3):
        note_difference("a test is slower", "ValueError()")
    assert [record.event for record in caplog.records] == ["django_differs"]
    note_difference.cache_clear()


def test_an_outage_while_it_is_compiled_says_nothing_about_django(claims, monkeypatch):
    database._compiled_for.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(CompiledQuery, "_compile", _fail)
        with pytest.raises(OperationalError):
            database.find_by_token(claims)
    assert database.find_by_token(claims)
    assert database._compiled("default").is_compiled


def test_an_outage_while_a_row_is_read_says_nothing_either(claims, monkeypatch):
    assert database.find_by_token(claims)
    with monkeypatch.context() as patch:
        patch.setattr(CompiledQuery, "_instance", _fail)
        with pytest.raises(OperationalError):
            database.find_by_token(claims)
    assert database._compiled("default").is_compiled


def _fail(*args):
    raise OperationalError("down")


def test_parameters_may_be_numbers_and_times(user):
    def find(number, since):
        return UserSession.objects.filter(counter=number, created_at__gte=since)

    session = UserSession.objects.get(pk=sessions.start(user).session_id)
    fields = {"number": UserSession._meta.get_field("counter"), "since": UserSession._meta.get_field("created_at")}
    compiled = CompiledQuery(find, **fields)
    assert compiled.is_compiled
    assert compiled.first(number=0, since=session.created_at) == session
    assert compiled.first(number=1, since=session.created_at) is None
    assert compiled.first(number=0, since=session.created_at + timedelta(seconds=1)) is None
