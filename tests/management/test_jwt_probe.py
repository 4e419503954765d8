"""`jwt_probe` against servers that are honest, and servers that are not."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from jwt_auth.management.commands.jwt_probe import promised_bound, summarize
from jwt_auth.management.probe import Answer
from jwt_auth.models import UserSession

pytestmark = pytest.mark.django_db(transaction=True)


def probe(*urls, user, out=None, **options):
    out = out or StringIO()
    call_command("jwt_probe", *urls, user=user.get_username(), rounds=1, askers=2, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def serve():
    """`serve(anonymous, signed_in)` answers with these statuses, whatever was revoked; it returns the URL."""
    servers = []

    def start(anonymous, signed_in, worker="w1", header="X-Worker"):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(signed_in if "Authorization" in self.headers else anonymous)
                self.send_header(header, worker)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever).start()
        return f"http://127.0.0.1:{server.server_port}/some/page?of=mine"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_deployment_that_keeps_its_word(live_server, user):
    told = probe(f"{live_server.url}/auth/me/", user=user)
    assert "promised  0.000" in told
    assert told.endswith("The bound was kept.\n")
    assert "workers that send no worker header" in told
    assert not UserSession.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("header", "who"), [("X-Served-By", "to 1 worker, "), ("X-Worker", "to workers that send no worker header, ")]
)
@pytest.mark.thorough
def test_workers_say_who_they_are_in_the_header_that_is_named(serve, user, header, who):
    out = StringIO()
    with pytest.raises(CommandError, match="longer than promised"):
        probe(serve(401, 200, header="X-Served-By"), user=user, out=out, worker_header=header)
    assert who in out.getvalue()


def test_one_that_goes_on_accepting_fails(serve, user):
    with pytest.raises(CommandError, match="longer than promised"):
        probe(serve(401, 200), user=user)


@pytest.mark.parametrize(
    ("anonymous", "signed_in", "message"),
    [(200, 200, "without a token"), (401, 403, "the same database and keys")],
)
def test_a_page_that_would_say_nothing_is_no_target(serve, user, anonymous, signed_in, message):
    with pytest.raises(CommandError, match=message):
        probe(serve(anonymous, signed_in), user=user)
    assert not UserSession.objects.filter(revoked_at=None).exists()


def test_what_is_no_url_and_who_does_not_answer(user):
    with pytest.raises(CommandError, match="does not begin with http"):
        probe("ftp://localhost/", user=user)
    with pytest.raises(CommandError, match="can't be reached"):
        probe("https://127.0.0.1:1/", user=user)


def test_who_cannot_sign_in_is_no_probe(user):
    user.is_active = False
    user.save()
    with pytest.raises(CommandError, match="can't sign in"):
        probe("http://127.0.0.1:1/", user=user)


@pytest.mark.parametrize("option", ["--rounds", "--askers"])
def test_nobody_who_asks_would_find_nothing(option):
    with pytest.raises(CommandError, match="must be a whole number between 1 and 1,000"):
        call_command("jwt_probe", "http://localhost/", "--user=alice", f"{option}=0")


def test_json_has_the_same(live_server, user):
    report = json.loads(probe(f"{live_server.url}/auth/me/", user=user, json=True))
    assert report["kept"] is True
    assert set(report["accepted_for"]) == {"median", "p95", "p99", "longest"}


def test_each_worker_counts_by_its_longest_acceptance():
    def answer(worker, after, status):
        return Answer(url="http://x/", worker=worker, begun_after=after, status=status)

    one = [answer("a", 0.1, 200), answer("a", 0.4, 200), answer("b", 0.2, 401), answer("b", 0.3, 503)]
    report = summarize([one, [answer("a", 0.9, 200)]], 1.0)
    assert report["accepted_for"] == {"median": 0.4, "p95": 0.9, "p99": 0.9, "longest": 0.9}
    assert (report["workers_seen"], report["other_answers"], report["kept"]) == (2, {"503": 1}, True)
    assert summarize([one], 0.3)["kept"] is False


def test_other_answers_are_told(serve, live_server, user, monkeypatch):
    from jwt_auth.management.commands import jwt_probe

    answers = [Answer(url="http://x/", worker="w", begun_after=0.1, status=503)]
    monkeypatch.setattr(jwt_probe, "probe", lambda *arguments, **options: answers)
    told = probe(f"{live_server.url}/auth/me/", user=user)
    assert "Neither accepted nor refused: 1 times 503." in told
    assert "1 worker," in told


def test_the_bound_is_that_of_the_settings(jwt_settings):
    assert promised_bound() == 0
    jwt_settings(REVOCATION="memory")
    assert promised_bound() == 1
