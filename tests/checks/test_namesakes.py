"""The system check for other packages that have the name of this app."""

import sys
import zipfile
from pathlib import Path

import pytest
from django.core import checks
from django.core.management import call_command

import jwt_auth
from jwt_auth.checks import namesakes
from tests.support.checks import found, ids

HERE = Path(jwt_auth.__file__).resolve().parent


@pytest.fixture
def path(monkeypatch):
    """`path(*entries)` puts entries before all others, and then after them."""
    before = list(sys.path)

    def put(*entries):
        monkeypatch.setattr(sys, "path", [*map(str, entries), *before, *map(str, entries)])

    return put


def package(folder, name="jwt_auth"):
    """Make a package in `folder` that must not be imported."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise AssertionError('it was imported')")
    return folder / name


def module(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jwt_auth.py").write_text("raise AssertionError('it was imported')")
    return folder / "jwt_auth.py"


@pytest.mark.parametrize("make", [package, module])
def test_another_one_is_w058_and_both_places_are_named(path, tmp_path, make):
    assert ids() == []
    there = make(tmp_path)
    path(tmp_path)
    (message,) = found()
    assert (message.id, message.level) == ("jwt_auth.W058", checks.WARNING)
    assert str(HERE) in message.msg
    assert str(there.resolve()) in message.msg
    assert "django_migrations" in message.hint
    assert sys.modules["jwt_auth"] is jwt_auth
    call_command("check")


def test_each_place_is_named_once(path, tmp_path):
    one, two = package(tmp_path / "one"), module(tmp_path / "two")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    path(tmp_path / "one", tmp_path / "link", tmp_path / "two")
    assert [str(there) in message.msg for message, there in zip(found(), (one, two), strict=True)] == [True, True]


def test_one_in_the_current_directory_counts(path, tmp_path, monkeypatch):
    package(tmp_path)
    monkeypatch.chdir(tmp_path)
    path("")
    assert ids() == ["W058"]


def test_one_in_an_archive_counts(path, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("jwt_auth/__init__.py", "raise AssertionError('it was imported')")
    path(tmp_path / "all.zip")
    (message,) = found()
    assert str(tmp_path / "all.zip" / "jwt_auth") in message.msg


def test_names_that_differ_and_what_hides_nothing_are_no_namesakes(path, tmp_path):
    package(tmp_path / "one", "jwt_auth_own")
    package(tmp_path / "two" / "apps")  # apps.jwt_auth
    (tmp_path / "three" / "jwt_auth").mkdir(parents=True)  # the directory of a checkout
    (tmp_path / "three" / "jwt_auth" / "setup.py").write_text("")
    path(tmp_path / "one", tmp_path / "two", tmp_path / "three")
    assert ids() == []


def test_a_copy_of_this_app_is_no_namesake(path, tmp_path):
    there = package(tmp_path)
    path(tmp_path)
    assert ids() == ["W058"]
    (there / "browser_urls.py").write_text("")
    assert ids() == []


def test_entries_that_are_broken_do_not_end_the_check(path, tmp_path, monkeypatch):
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "file").write_text("")
    there = package(tmp_path / "good")
    path(tmp_path / "broken.zip", tmp_path / "file", tmp_path / "missing", "nul\0", "\udcff", there.parent)
    monkeypatch.setattr(sys, "path", [None, 3, b"bytes", Path("path"), *sys.path])
    assert ids() == ["W058"]


def test_a_finder_that_fails_does_not_end_the_check(path, tmp_path, monkeypatch):
    class Finder:
        def __init__(self, entry):
            if entry != "special:":
                raise ImportError

        def find_spec(self, name, target=None):
            raise RuntimeError("no network")

    monkeypatch.setattr(sys, "path_hooks", [Finder, *sys.path_hooks])
    package(tmp_path)
    path("special:", tmp_path)
    assert ids() == ["W058"]
    sys.path_importer_cache.pop("special:", None)


def test_a_program_that_was_frozen_into_one_file_has_no_place(path, tmp_path, monkeypatch):
    package(tmp_path)
    path(tmp_path)
    assert len(namesakes.check_namesakes()) == 1
    monkeypatch.setattr(jwt_auth.__spec__, "has_location", False)
    assert namesakes.check_namesakes() == []
