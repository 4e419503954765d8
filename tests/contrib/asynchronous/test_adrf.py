"""Permissions of this app beside asynchronous ones, which adrf has."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from jwt_auth import sessions
from tests.contrib.asynchronous.with_adrf import COMBINED

ACCEPTED = {"recent-or-no", "recent-and-not-no"}


@pytest.mark.parametrize("name", COMBINED)
def test_an_asynchronous_permission_counts_in_a_combination(name, user):
    headers = {"authorization": f"Bearer {sessions.start(user).access_token}"}
    answer = async_to_sync(AsyncClient().get)(f"/adrf/{name}/", headers=headers)
    assert answer.status_code == (200 if name in ACCEPTED else 403)
