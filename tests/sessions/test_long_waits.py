"""A rotation that had to wait for a lock, or for its commit, is dated when the wait is over."""

from datetime import timedelta

import pytest
from django.db import connection

from jwt_auth import sessions
from jwt_auth.models import UserSession
from jwt_auth.sessions import lifecycle


@pytest.mark.parametrize(("seconds", "is_dated"), [(lifecycle._LONG - 1, False), (lifecycle._LONG + 1, True)])
def test_it_is_dated_when_the_wait_is_over(user, ticks, seconds, is_dated):
    pair = sessions.start(user)
    updates = []

    def wait(execute, sql, *arguments):
        answer = execute(sql, *arguments)
        if sql.startswith("UPDATE") and "counter" in sql:
            updates.append(sql)
            if len(updates) == 1:
                # As if it had been dated when the statement began.
                rows = UserSession.objects.filter(pk=pair.session_id)
                rows.update(rotated_at=rows.get().rotated_at - timedelta(minutes=5))
                ticks.forward(seconds)
        return answer

    with connection.execute_wrapper(wait):
        fresh = sessions.refresh(pair.refresh_token)
    row = UserSession.objects.get(pk=pair.session_id)
    age = sessions.refresh_tokens.load(row.handle).loaded_at - row.rotated_at
    assert (age < timedelta(minutes=1)) == is_dated
    assert sessions.refresh(fresh.refresh_token).session_id == pair.session_id
