"""The page at /live/: what it says under WSGI, and its scripts, which the guides show. tests/browser has the rest."""

from http.client import HTTPConnection

import pytest

from example_project.demo import server
from tests.support import ROOT
from tests.support.docs import BLOCKS
from tests.support.example_project import FAST, SERVES, demo, port_of, write_settings

SCRIPTS = ROOT / "example_project" / "live" / "static" / "live"


@pytest.mark.parametrize(
    ("script", "how"),
    [("socket.js", "test: websockets page"), ("events.js", "test: long-lived events.js")],
    ids=["socket", "events"],
)
def test_the_scripts_are_those_of_the_guides(script, how):
    (shown,) = [block.code for block in BLOCKS if block.how == how]
    assert (SCRIPTS / script).read_text() == shown


def test_under_wsgi_the_page_says_how_to_start_an_asgi_server(client):
    page = client.get("/live/").content.decode()
    assert "This page needs an ASGI server" in page
    assert 'pip install -e ".[channels]" "uvicorn[standard]"' in page
    assert "Server-Sent Events" not in page


def test_under_wsgi_there_is_no_stream_which_would_never_begin(client, user):
    response = client.bearer(client.tokens(user)["access_token"]).get("/live/events/")
    assert (response.status_code, response.json()["code"]) == (501, "no_asgi")


@pytest.mark.parametrize(
    ("installed", "has_asgi"),
    [
        ({"uvicorn", "channels", "websockets"}, True),
        ({"uvicorn", "channels", "wsproto"}, True),
        ({"uvicorn", "channels"}, False),
        ({"channels", "websockets"}, False),
        ({"uvicorn", "websockets"}, False),
    ],
    ids=["websockets", "wsproto", "no protocol", "no server", "no channels"],
)
def test_the_demo_starts_an_asgi_server_if_all_that_it_needs_is_installed(monkeypatch, installed, has_asgi):
    monkeypatch.setattr(server, "find_spec", lambda name: name if name in installed else None)
    assert server.has_asgi() is has_asgi


@pytest.mark.parametrize("has_asgi", [True, False], ids=["with uvicorn", "without"])
@pytest.mark.thorough
def test_the_demo_serves_the_page_with_or_without_uvicorn(tmp_path, has_asgi):
    module = write_settings(
        tmp_path, f"{FAST}from example_project.demo import server\nserver.has_asgi = lambda: {has_asgi}"
    )
    with demo(tmp_path, module, "--serve", until=SERVES) as (_, output):
        connection = HTTPConnection("localhost", port_of(output))
        connection.request("GET", "/live/")
        page = connection.getresponse().read().decode()
        connection.close()
    assert ("Server-Sent Events" in page) is has_asgi
    assert ("This page needs an ASGI server" in page) is not has_asgi
