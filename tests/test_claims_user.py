"""The user of a token at a server without users, as code that expects a user sees it."""

import pickle

import pytest
from django.contrib.auth.models import Permission

from jwt_auth.claims import Claims
from jwt_auth.principals import ClaimsUser


def principal(iss="https://a.example", sub="1"):
    return ClaimsUser(Claims(iss=iss, aud=("api",), sub=sub, iat=0, exp=1))


def test_issuer_and_subject_together_are_who_it_is():
    same, other_issuer, other_subject = principal(), principal(iss="https://b.example"), principal(sub="2")
    assert principal() == same
    assert hash(principal()) == hash(same)
    assert principal() not in (other_issuer, other_subject, "1", None)
    assert len({found.pk for found in (principal(), same, other_issuer, other_subject)}) == 3


def test_no_pair_of_names_is_written_like_another():
    assert principal("a", "b c").pk != principal("a b", "c").pk
    assert principal('a","b', "c").pk != principal("a", 'b","c').pk


def test_its_key_is_good_for_any_cache_and_any_column():
    key = principal(iss="https://a.example/" + "x" * 200, sub="é " * 100).pk
    assert (len(key), key.isascii(), key.isprintable(), " " in key) == (43, True, True, False)
    assert principal().id == principal().pk


def test_it_is_signed_in_and_may_nothing_by_itself():
    user = principal()
    assert (user.is_authenticated, user.is_anonymous, user.is_active) == (True, False, True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert not user.has_perm("auth.add_user")
    assert not user.has_perms(["auth.add_user"])
    assert user.has_perms([])
    assert not user.has_module_perms("auth")
    assert user.get_all_permissions() == user.get_user_permissions() == user.get_group_permissions() == set()


def test_it_is_called_as_its_issuer_calls_it():
    user = principal(sub="alice")
    assert (str(user), user.get_username(), user.username) == ("alice", "alice", "alice")
    assert repr(user) == "<ClaimsUser 'alice' of 'https://a.example'>"


def test_it_is_in_no_group(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert list(principal().groups.filter(name="x").values_list("name", flat=True)) == []
        assert (principal().user_permissions.count(), principal().groups.exists()) == (0, False)
        assert principal().groups.first() is None
        with pytest.raises(Permission.DoesNotExist):
            principal().user_permissions.get(codename="x")


def test_it_can_be_kept():
    assert pickle.loads(pickle.dumps(principal())) == principal()
