"""
Requests that pages of other origins send in the browser of a signed-in user: they are refused and change nothing.

Each attack comes from another port of the site, from a sibling host name and from a stranger's. SameSite does not apply
to the first two: browsers add the cookies, and the server has to refuse by itself. The same is true of a stranger's
forms where cookies are SameSite=None; the other requests of a stranger's page carry no cookies, because browsers block
third-party cookies.
"""

import json

import pytest
from django.core.signals import request_started

from example_project.notes.models import Note
from jwt_auth.models import RevocationEvent, UserSession, UserTokenCutoff
from tests.browser.servers import SIBLING, SITE, STRANGER
from tests.support.clients import PASSWORD

AUTH = "/auth/browser/"
TARGETS = ["login/", "logout/", "logout/all/", "refresh/", "sessions/", "/api/notes/"]
REFUSED = {401, 403, 405, 415}

from_each_origin = pytest.mark.parametrize("host", [SITE, SIBLING, STRANGER], ids=["port", "sibling", "stranger"])


class Victim:
    """alice, signed in and with a note, and everything that an attack could change."""

    def __init__(self, app, user, mallory, site):
        self.app, self.context, self.user, self.mallory, self.site = app, app.page.context, user, mallory, site

    @property
    def state(self):
        with self.site.lock:
            rows = [UserSession, UserTokenCutoff, RevocationEvent, Note]
            return [list(model.objects.order_by("pk").values()) for model in rows], self.cookies

    @property
    def cookies(self):
        """Return our cookies, without the CSRF cookie that DRF's pages for people set."""
        found = ((each["name"], each["domain"], each["value"]) for each in self.context.cookies())
        return sorted(each for each in found if each[0] != "csrftoken")

    def body_for(self, target):
        """Return the body that would do harm at `target`."""
        name = self.user.USERNAME_FIELD
        bodies = {
            "login/": {name: self.mallory.get_username(), "password": PASSWORD},
            "/api/notes/": {"text": "Mallory was here"},
        }
        return bodies.get(target, {})

    def url(self, target):
        return self.site.url + (target if target.startswith("/") else AUTH + target)

    def visit(self, url):
        """
        Open a page in the victim's browser. Return it, and a list of how the site answers the unsafe requests of the
        page.
        """
        page, answers = self.context.new_page(), []

        def note(answer):
            if answer.url.startswith(self.site.url) and answer.request.method != "GET":
                answers.append(answer.status)

        page.on("response", note)
        page.goto(url)
        return page, answers


@pytest.fixture
def samesite(request, jwt_settings):
    """COOKIE_SAMESITE, which is "Strict" unless the test says otherwise."""
    value = getattr(request, "param", "Strict")
    jwt_settings(COOKIE_SAMESITE=value)
    return value


@pytest.fixture
def victim(samesite, user, make_user, open_app, site):
    app = open_app().sign_in(user).write_note("Buy milk")
    return Victim(app, user, make_user("mallory"), site)


@pytest.fixture
def arrivals():
    """The requests that reached the server: method, path, Sec-Fetch-Site, and a bool for the cookies."""
    seen = []

    def note(environ, **kwargs):
        cookies = environ.get("HTTP_COOKIE", "")
        site = environ.get("HTTP_SEC_FETCH_SITE")
        seen.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], site, "__Host-Http-access=" in cookies))

    request_started.connect(note)
    yield seen
    request_started.disconnect(note)


def carried_cookies(arrivals, host):
    """Return whether the browser added the cookies to a request of a page of `host`, which must have sent one."""
    foreign = [each for each in arrivals if each[2] in ("same-site", "cross-site")]
    assert {each[2] for each in foreign} == {"cross-site" if host == STRANGER else "same-site"}
    return any(with_cookies for *_, with_cookies in foreign)


FORMS = """
<form method="post" action="{action}" enctype="{enctype}">{fields}</form>
<script>document.forms[0].submit()</script>
"""


def fields(body, enctype):
    """Return the fields of a form that is sent as `body`, or that looks like JSON if it is sent as plain text."""
    if enctype == "text/plain":
        text = json.dumps({**body, "filler": "="}).replace('"', "&quot;")
        name, _, value = text.rpartition("=")
        return f'<input name="{name}" value="{value}">'
    return "".join(f'<input name="{name}" value="{value}">' for name, value in body.items())


@pytest.mark.parametrize(
    ("host", "samesite"),
    [
        pytest.param(SITE, "Strict", id="port", marks=pytest.mark.thorough),
        pytest.param(SIBLING, "Strict", id="sibling"),
        pytest.param(STRANGER, "Strict", id="stranger", marks=pytest.mark.thorough),
        pytest.param(STRANGER, "None", id="stranger-samesite-none"),
    ],
    indirect=["samesite"],
)
def test_forms_are_refused(victim, evil, arrivals, host, samesite):
    before = victim.state
    for enctype in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        for target in TARGETS:
            inputs = fields(victim.body_for(target), enctype)
            evil.page = FORMS.format(action=victim.url(target), enctype=enctype, fields=inputs)
            page, answers = victim.visit(evil.url(host))
            page.wait_for_url(victim.url(target))
            assert set(answers) <= REFUSED, (enctype, target)
            assert victim.state == before, (enctype, target)
            page.close()
    assert carried_cookies(arrivals, host) == (host != STRANGER or samesite == "None")
    victim.app.press("Renew now").has_notes("Buy milk")


SCRIPTS = """
<title>At it</title>
<script type="module">
const tries = [];
for (const [url, body] of %s) {
    const send = (init) => tries.push(fetch(url, { credentials: "include", ...init }));
    for (const method of ["POST", "DELETE", "PUT"]) {
        send({ method, body, headers: { "Content-Type": "application/json" } });
        send({ method, body });
    }
    send({ method: "POST", body, mode: "no-cors" });
    send({ method: "POST", body, mode: "no-cors", headers: { "Content-Type": "text/plain; application/json" } });
    send({ method: "POST", body: new URLSearchParams(JSON.parse(body)), mode: "no-cors" });
    tries.push(navigator.sendBeacon(url, body));
    const request = new XMLHttpRequest();
    request.withCredentials = true;
    request.open("POST", url);
    tries.push(new Promise((done) => request.addEventListener("loadend", done)));
    request.send(body);
}
const done = await Promise.allSettled(tries);
const read = done.filter(({ value }) => value?.type === "cors" || value?.type === "basic");
document.title = `Done, ${read.length} answers read`;
</script>
"""


@from_each_origin
def test_scripts_are_refused_and_read_no_answer(victim, evil, arrivals, host):
    before = victim.state
    session = f"sessions/{UserSession.objects.get().pk}/"
    evil.page = SCRIPTS % json.dumps([(victim.url(t), json.dumps(victim.body_for(t))) for t in [*TARGETS, session]])
    page, answers = victim.visit(evil.url(host))
    victim.app.expect(page).to_have_title("Done, 0 answers read")
    assert set(answers) <= REFUSED
    assert victim.state == before
    assert carried_cookies(arrivals, host) == (host != STRANGER)
    victim.app.press("Renew now").has_notes("Buy milk")


IMAGES = """
<title>At it</title>
<script type="module">
const load = (tag, url) => new Promise((done) => {
    const made = Object.assign(document.createElement(tag), { onload: done, onerror: done });
    made[tag === "link" ? "href" : "src"] = url;
    if (tag === "link") made.rel = "stylesheet";
    document.head.append(made);
});
await Promise.all(%s.flatMap((url) => ["img", "script", "link"].map((tag) => load(tag, url))));
document.title = "Done";
</script>
"""


@from_each_origin
@pytest.mark.thorough
def test_what_is_embedded_changes_nothing(victim, evil, arrivals, host):
    before = victim.state
    evil.page = IMAGES % json.dumps([victim.url(target) for target in [*TARGETS, "me/", "/"]])
    page, _ = victim.visit(evil.url(host))
    victim.app.expect(page).to_have_title("Done")
    assert victim.state == before
    assert carried_cookies(arrivals, host) == (host != STRANGER)


def test_the_same_from_a_page_of_the_site_is_obeyed(victim):
    """The control: the attacks were refused because of their origin."""
    send = """async ([url, body]) => (await fetch(url, {
        method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
    })).status"""
    statuses = {}
    for target in ["/api/notes/", "refresh/", "logout/", "login/", "logout/all/"]:
        before = victim.state
        body = victim.body_for(target)
        statuses[target] = victim.app.page.evaluate(send, [victim.url(target), body])
        assert victim.state != before, target
    assert statuses == {"/api/notes/": 201, "refresh/": 200, "logout/": 204, "login/": 200, "logout/all/": 204}


def test_nobody_is_signed_in_as_somebody_else_by_a_foreign_form(victim, evil):
    """Login CSRF: alice, signed out, would write notes into mallory's account."""
    victim.app.press("Sign out").is_signed_out()
    body = victim.body_for("login/")
    for host in (SITE, SIBLING, STRANGER):
        evil.page = FORMS.format(action=victim.url("login/"), enctype="text/plain", fields=fields(body, "text/plain"))
        page, answers = victim.visit(evil.url(host))
        page.wait_for_url(victim.url("login/"))
        assert answers == [403]
    assert victim.cookies == []
    victim.app.open().is_signed_out()
