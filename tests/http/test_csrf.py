"""The rule that decides which page a request comes from, by the headers that browsers send."""

import re

import pytest
from django.middleware.csrf import CsrfViewMiddleware
from django.test import RequestFactory, override_settings
from hypothesis import example, given, settings, strategies as st

from jwt_auth.exceptions import CsrfError
from jwt_auth.http.csrf import Provenance, can_match, check

OWN = "https://app.example.com"
TRUSTED = ("https://spa.example.org", "https://*.partner.com", "https://*.ported.com:8443", "http://localhost:5173")

SITES = ["same-origin", "none", "same-site", "cross-site", None, "", "same-planet", "Same-Origin", "same-origin,x"]
ORIGINS = {
    "ours": OWN,
    "trusted": "https://spa.example.org",
    "foreign": "https://evil.example.net",
    "null": "null",
    "missing": None,
}

# The outcome of each pair: "pass", "refuse", or "anonymous" (refused if a cookie authenticates the request).
TABLE = {
    "same-origin": dict.fromkeys(ORIGINS, "pass"),
    "none": dict.fromkeys(ORIGINS, "anonymous"),
    "same-site": {**dict.fromkeys(ORIGINS, "refuse"), "trusted": "pass"},
    "cross-site": {**dict.fromkeys(ORIGINS, "refuse"), "trusted": "pass"},
}
BY_ORIGIN = {"ours": "pass", "trusted": "pass", "foreign": "refuse", "null": "refuse", "missing": "anonymous"}


def passes(site, origin, *, by_cookie=True, own=OWN, trusted=TRUSTED):
    sent = Provenance(fetch_site=site, origin=origin, own_origin=own, trusted_origins=trusted)
    try:
        check(sent, by_cookie=by_cookie)
    except CsrfError:
        return False
    return True


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("site", SITES)
def test_each_pair_of_headers(site, origin):
    """A word that is unknown, or not written as in the specification, counts as missing."""
    expected = TABLE.get(site, BY_ORIGIN)[origin]
    assert passes(site, ORIGINS[origin], by_cookie=True) == (expected == "pass")
    assert passes(site, ORIGINS[origin], by_cookie=False) == (expected != "refuse")


@pytest.mark.parametrize(
    ("own", "origin", "same"),
    [
        (OWN, "https://app.example.com", True),
        (OWN, "https://app.example.com:443", True),
        ("https://app.example.com:443", "https://app.example.com", True),
        ("https://APP.example.com", "https://app.example.com", True),
        ("http://app.example.com", "http://app.example.com:80", True),
        ("https://app.example.com:8443", "https://app.example.com:8443", True),
        ("http://[::1]:8000", "http://[::1]:8000", True),
        ("http://[::1]", "http://[::1]:80", True),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        (OWN, "http://app.example.com", False),
        (OWN, "https://app.example.com:8443", False),
        (OWN, "https://app.example.com:80", False),
        ("http://app.example.com", "http://app.example.com:443", False),
        ("http://localhost:8000", "http://localhost:8001", False),
        ("http://localhost:8000", "http://127.0.0.1:8000", False),
        (OWN, "https://example.com", False),
        (OWN, "https://evil-app.example.com", False),
        (OWN, "https://app.example.com.evil.net", False),
        (OWN, "https://x.app.example.com", False),
    ],
)
def test_an_origin_is_ours_by_scheme_host_and_port(own, origin, same):
    assert passes(None, origin, own=own) is same


@pytest.mark.parametrize(
    "origin",
    [
        "",
        " ",
        "null",
        "app.example.com",
        "//app.example.com",
        "https://",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?",
        "https://app.example.com#",
        "https://user@app.example.com",
        "https://evil.net\\@app.example.com",
        "https://app.example.com, https://evil.net",
        "https://evil.net https://app.example.com",
        "https://app.example.com\n",
        "https://app.example.com:",
        "https://app.example.com:abc",
        "https://app.example.com:999999",
        "https://[::1",
        "https://app.example.com\x00",
        "https://\u0430pp.example.com",
        "ftp://app.example.com",
        "file://",
        "chrome-extension://app.example.com",
    ],
)
def test_what_is_no_origin_of_the_web_is_nobodys(origin):
    assert not passes(None, origin)
    assert not passes("cross-site", origin, trusted=(*TRUSTED, "null", origin.strip()[:1] or "null"))
    assert passes(None, OWN)


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        ("https://spa.example.org", True),
        ("https://SPA.example.org:443", True),
        ("http://spa.example.org", False),
        ("https://x.spa.example.org", False),
        ("https://a.partner.com", True),
        ("https://a.b.partner.com", True),
        ("https://partner.com", True),  # as Django has it
        ("https://evilpartner.com", False),
        ("http://a.partner.com", False),
        ("https://a.partner.com:8443", False),
        ("https://a.partner.com.evil.net", False),
        ("https://a.ported.com:8443", True),
        ("https://a.ported.com", False),
        ("http://localhost:5173", True),
        ("http://localhost:5174", False),
    ],
)
def test_trusted_origins_are_read_as_django_reads_them(origin, trusted):
    for site in ("same-site", "cross-site", None):
        assert passes(site, origin) is trusted


def test_no_one_is_trusted_unless_named():
    assert not passes("cross-site", "https://spa.example.org", trusted=())
    assert not passes("same-site", OWN, trusted=())
    assert not passes("same-site", OWN, trusted=("www",))  # not an origin
    assert passes("same-site", OWN, trusted=("www", OWN))


def test_the_reason_is_told_to_the_log():
    sent = Provenance(fetch_site="cross-site", origin="https://evil.net", own_origin=OWN)
    with pytest.raises(CsrfError, match=r"'https://evil.net' \(Sec-Fetch-Site: cross-site\)"):
        check(sent, by_cookie=False)


APPS = ("capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://*.example.com", "file://")


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        ("capacitor://localhost", True),
        ("ionic://localhost", True),
        ("tauri://localhost", True),
        ("app://a.example.com", True),
        ("file://", True),
        ("capacitor://localhost:80", False),
        ("capacitor://evil", False),
        ("https://localhost", False),
        ("app://a.example.org", False),
    ],
)
def test_the_page_in_an_app_is_trusted_if_it_is_named(origin, trusted):
    for site in ("cross-site", None):
        assert passes(site, origin, trusted=APPS) is trusted
    assert not passes("cross-site", origin, trusted=())


@pytest.mark.parametrize(
    ("entry", "can"),
    [
        *((entry, True) for entry in TRUSTED),
        ("capacitor://localhost", True),
        ("https://[::1]:8000", True),
        ("https://spa.example.org/", False),
        ("https://user@spa.example.org", False),
        ("https://*", False),
        ("https://spa.*.org", False),
        ("https://*spa.example.org", False),
        ("https://m\u00fcnchen.example", False),
        ("spa.example.org", False),
        ("null", False),
    ],
)
def test_an_entry_that_no_browser_matches_is_known(entry, can):
    assert can_match(entry) is can


# Compared with Django's own middleware

SCHEMES = st.sampled_from(["http", "https", "capacitor", "HTTPS", "x-app"])
HOSTS = st.sampled_from(["localhost", "a.example.com", "b.a.example.com", "example.com", "Example.com", "[::1]", "a_b"])
PORTS = st.sampled_from(["", ":80", ":443", ":8443"])
TAILS = st.sampled_from(["", "", "", "", "", "", "/", "/path", "?", "#x", ",", " "])
ORIGIN = st.builds("{}://{}{}".format, SCHEMES, HOSTS, PORTS)
HEADERS = st.one_of(
    st.builds("{}{}".format, ORIGIN, TAILS), st.sampled_from(["null", "", "://", "https://"]), st.text()
)
STARS = st.sampled_from(["", "", "*.", "*", "**.", "a.*."])
# An address has no hosts below it.
ENTRIES = st.builds("{}://{}{}{}{}".format, SCHEMES, STARS, HOSTS, PORTS, TAILS).filter(
    lambda entry: "[" not in entry or "*" not in entry
)


def djangos(origin, entry):
    """Return whether Django's middleware trusts `origin` because of `entry`."""
    with override_settings(CSRF_TRUSTED_ORIGINS=[entry]):
        request = RequestFactory().post("/", headers={"host": "other.example.net"})
        request.META["HTTP_ORIGIN"] = origin
        return CsrfViewMiddleware(lambda request: None)._origin_verified(request)


def usual(text):
    """Write an origin as browsers do: in lower case, without the port that its scheme has anyway."""
    scheme, _, rest = text.lower().partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme, ":none")
    return f"{scheme}://{re.sub(f'{default}(?=[/?#]|$)', '', rest, count=1)}"


@given(origin=HEADERS, entry=ENTRIES)
@example(origin="https://localhost", entry="https://*.localhost:443/")
@settings(max_examples=400, deadline=None)
def test_no_origin_is_trusted_that_django_does_not_trust(origin, entry):
    """Case and default ports apart."""
    if passes("cross-site", origin, trusted=(entry,)):
        assert djangos(origin, entry) or djangos(usual(origin), usual(entry))


@given(origin=ORIGIN, entry=ENTRIES)
@settings(max_examples=400, deadline=None)
def test_each_origin_that_django_trusts_is_trusted(origin, entry):
    if djangos(origin, entry):
        assert passes("cross-site", origin, trusted=(entry,))
