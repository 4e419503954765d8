"""Prepared statements behind a real PgBouncer, which gives each transaction another process of the server."""

from contextlib import ExitStack

import pytest

from tests.support.own_connections import own_connection
from tests.support.pgbouncer import pgbouncer
from tests.support.prepared import a_query, ask, ask_often, prepared_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def through(cluster):
    """`through(PREPARE, **settings)` opens three connections through a PgBouncer that has one to the server."""
    with ExitStack() as stack:

        def connect(options, **settings):
            bouncer = stack.enter_context(pgbouncer(cluster, default_pool_size=1, **settings))
            there = {"NAME": "postgres", "USER": "app", "HOST": str(bouncer.directory), "PORT": "5432"}
            opened = [stack.enter_context(own_connection(**there, OPTIONS=options)) for _ in range(3)]
            for own in opened:
                own.ensure_connection()
            return opened

        yield connect


@pytest.fixture
def direct(cluster):
    there = {"NAME": "postgres", "USER": "app", "HOST": str(cluster.directory), "PORT": "5432"}
    with own_connection(**there) as own:
        own.ensure_connection()
        yield own


def test_nothing_is_prepared_behind_it_by_itself(through, direct):
    for own in through({}):
        assert not any(ask_often(own, a_query()))
        assert not prepared_on(own)
    assert any(ask_often(direct, a_query()))


def test_a_project_that_says_it_can_and_is_wrong_gets_its_answers_all_the_same(through):
    """All answers are right, although each name that a connection knows belongs to the first one."""
    connections = through({"prepare_threshold": 5})
    first, *others = [ask_often(own, a_query()) for own in connections]
    assert any(first)
    assert not any(map(any, others))
    for number in range(3):
        assert [ask(own, a_query(), number)[0] for own in connections] == [(40 + number, "100%")] * 3
