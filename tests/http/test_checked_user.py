"""A user who is checked at the first use of `request.user`, or of `request.auser()`."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from jwt_auth.http.checked_user import check_later
from jwt_auth.process.blocking import WouldBlockError

NOBODY = AnonymousUser()


class Somebody:
    is_authenticated = True


SOMEBODY = Somebody()


def by_attribute(request):
    return request.user if request.user.is_authenticated else NOBODY


def by_function(request):
    return async_to_sync(request.auser)()


@pytest.fixture
def request_of_somebody():
    request = RequestFactory().get("/")
    request.user = SOMEBODY
    return request


@pytest.mark.parametrize("ask", [by_attribute, by_function])
@pytest.mark.parametrize("is_over", [False, True])
def test_the_check_is_made_once_and_only_if_the_user_is_asked_for(request_of_somebody, ask, is_over):
    made = []

    def check(request):
        assert request.user is SOMEBODY  # whom it signs out
        made.append(request)
        if is_over:
            request.user = NOBODY
        return is_over

    check_later(request_of_somebody, check)
    assert made == []
    for _ in range(2):
        assert ask(request_of_somebody) == (NOBODY if is_over else SOMEBODY)
    assert made == [request_of_somebody]


@pytest.mark.parametrize("ask", [by_attribute, by_function])
@pytest.mark.parametrize("error", [OSError, WouldBlockError])
def test_a_check_that_fails_lets_nobody_in_afterwards(request_of_somebody, ask, error):
    def check(request):
        raise error

    check_later(request_of_somebody, check)
    for _ in range(2):
        with pytest.raises(error):
            ask(request_of_somebody)
        with pytest.raises(error):
            bool(request_of_somebody.user.is_authenticated)


def test_a_request_without_a_user_has_none_to_check():
    request = RequestFactory().get("/")
    check_later(request, lambda request: False)
    assert request.user == None  # noqa: E711  # a lazy object is None by comparison alone
