"""Requests to other servers: the URLs, the addresses and the connections."""

import socket
import threading
from ipaddress import ip_address

import pytest

from jwt_auth.claims import Claims
from jwt_auth.conf.rules import remote_url
from jwt_auth.exceptions import UnavailableError
from jwt_auth.issuers.directory import find_issuer
from jwt_auth.issuers.remote import fetching
from jwt_auth.issuers.remote.fetching import FetchError, Source, fetch
from tests.support.clocks import NOW
from tests.support.http_endpoint import Endpoint, body, document, serving
from tests.support.tls import server_context, write_certificate


def source(url, **options):
    return Source(**{"url": url, "types": ("application/json",), "max_length": 1000, **options})


@pytest.mark.parametrize(
    "url", ["https://a.example/keys", "https://a.example:8443", "https://a.example/?a=b", "HTTPS://A"]
)
def test_a_url_that_may_be_asked(url):
    assert remote_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys.json",
        "//a.example/keys",
        "https://",
        "https:///keys",
        "http://a.example/keys",
        "http://localhost/keys",
        "ftp://a.example/keys",
        "file:///etc/passwd",
        "data:application/json,{}",
        "https://user@a.example/",
        "https://user:secret@a.example/",
        "https://a.example/#keys",
        "https://a.example:port/",
        "https://a.example:99999/",
        "https://[::1",
        "https://a.example/a b",
        "https://a.example/a\nb",
        "https://bücher.example/",
    ],
)
def test_a_url_that_may_not(url):
    assert remote_url(url)


def test_plain_http_is_for_this_machine_and_for_debug(settings):
    settings.DEBUG = True
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert remote_url(f"http://{host}:8000/keys") is None
    for host in ("a.example", "127.0.0.2", "localhost.example", "10.0.0.1"):
        assert remote_url(f"http://{host}/keys")


@pytest.fixture
def connections(monkeypatch):
    """The addresses of all connections; none answers."""
    seen = []

    def connect(address, timeout):
        assert 0 < timeout <= fetching.TIMEOUT
        seen.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return seen


@pytest.fixture
def names(monkeypatch):
    """The addresses that names resolve to."""
    known = {}
    resolve = socket.getaddrinfo

    def answer(host, port, *args, **kwargs):
        if host not in known:
            return resolve(host, port, *args, **kwargs)
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (family[ip_address(address).version], socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


# Addresses of IPv6 that lead to the one of IPv4, or have it inside.
FORMS = {
    "mapped": "::ffff:{hex}",
    "6to4": "2002:{hex}::1",
    "Teredo": "2001:0:808:808:0:0:{flipped}",
    "Teredo, as the server": "2001:0:{hex}:0:0:a247:28f1",
    "NAT64": "64:ff9b::{hex}",
    "NAT64 of a network": "64:ff9b:1::{hex}",
    "NAT64 of a network, 48 bits": "64:ff9b:1:{high}:00{low_in_two}00::",
    "NAT64 of a network, 56 bits": "64:ff9b:1:00{one}:00{two}:{three}{four}::",
    "NAT64 of a network, 64 bits": "64:ff9b:1:0:00{one}:{two}{three}:{four}00::",
    "ISATAP": "2606:2800:220:1::5efe:{hex}",
    "ISATAP, universal": "2606:2800:220:1:200:5efe:{hex}",
}


def forms(address):
    """Return `address` in all forms of IPv6."""
    one, two, three, four = (f"{octet:02x}" for octet in ip_address(address).packed)
    flipped = f"{int(ip_address(address)) ^ 0xFFFFFFFF:08x}"
    parts = {
        "one": one,
        "two": two,
        "three": three,
        "four": four,
        "high": one + two,
        "hex": f"{one}{two}:{three}{four}",
        "low_in_two": f"{three}:{four}",
        "flipped": f"{flipped[:4]}:{flipped[4:]}",
    }
    return [form.format(**parts) for form in FORMS.values()]


NEVER = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "0.0.0.1", "::1", "::", "169.254.169.254", "fe80::1", "224.0.0.1"),
    *("ff02::1", "255.255.255.255", "240.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::"),
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    # With a zone, as getaddrinfo() may return it.
    *("fe80::1%eth0", "fd00:ec2::254%1", "::1%lo", "::ffff:127.0.0.1%1"),
    *forms("127.0.0.1"),
    *forms("169.254.169.254"),
    *forms("100.100.100.200"),
]
PRIVATE = ["10.0.0.1", "100.64.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "fd00::1%1", "192.0.0.8", "3fff::1"]
PRIVATE += ["fec0::1", "192.88.99.1"]  # given up, but still routed by some
PRIVATE += forms("192.168.17.19")
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", *forms("93.184.215.14")]


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE])
def test_a_name_that_leads_into_a_private_network_is_not_followed(connections, names, address):
    names["a.example"] = [address]
    with pytest.raises(FetchError, match="private network"):
        fetch(source("https://a.example/keys"))
    assert connections == []


@pytest.mark.parametrize("address", NEVER)
def test_nor_one_that_leads_to_this_machine_where_private_ones_are_allowed(connections, names, address):
    names["a.example"] = [address]
    with pytest.raises(FetchError, match="private network"):
        fetch(source("https://a.example/keys", private_network=True))
    assert connections == []


@pytest.mark.parametrize(("address", "allowed"), [*[(ip, False) for ip in PUBLIC], *[(ip, True) for ip in PRIVATE]])
def test_the_address_that_was_checked_is_the_one_that_is_connected_to(connections, names, address, allowed):
    names["a.example"] = [address]
    with pytest.raises(FetchError, match="Refused"):
        fetch(source("https://a.example/keys", private_network=allowed))
    assert connections == [(address, 443)]


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("asked_for", ["keys", "revocations"])
def test_each_issuer_says_whether_it_is_in_a_private_network(connections, names, jwt_settings, asked_for, allowed):
    names["a.example"] = ["10.0.0.1"]
    urls = {"JWKS_URL": "https://a.example/keys", "REVOCATIONS_URL": "https://a.example/revocations"}
    entry = {**urls, "ALGORITHMS": ["ES256"], "PRIVATE_NETWORK": allowed}
    jwt_settings(TRUSTED_ISSUERS={"https://a.example": entry})
    issuer = find_issuer("https://a.example")
    claims = Claims(iss=issuer.name, aud=(), sub="1", iat=0, exp=0)
    ask = {
        "keys": lambda: issuer.keys.find("one"),
        "revocations": lambda: issuer.look_ups.configured(claims, NOW),
    }[asked_for]
    with pytest.raises(UnavailableError):
        ask()
    assert connections == ([("10.0.0.1", 443)] if allowed else [])


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f.1", "017700000001", "127.1", "[::ffff:7f00:1]"),
        *("[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]", "0"),
    ],
)
def test_no_spelling_of_this_machine_helps(connections, host):
    with pytest.raises(FetchError):
        fetch(source(f"https://{host}/keys"))
    assert connections == []


@pytest.mark.parametrize("host", ["10.1", "167772161", "012.0.0.1", "0xa000001", "[64:ff9b::a00:1]", "[2002:a00:1::]"])
def test_no_spelling_of_a_private_address_helps(connections, host):
    for allowed in (False, True):
        with pytest.raises(FetchError, match="Refused" if allowed else "private network"):
            fetch(source(f"https://{host}/keys", private_network=allowed))
    assert [ip_address(address).version for address, _ in connections] == [6 if ":" in host else 4]


def test_of_several_addresses_the_allowed_ones_are_tried(connections, names):
    names["a.example"] = ["10.0.0.1", PUBLIC[0], "127.0.0.1", PUBLIC[1]]
    with pytest.raises(FetchError):
        fetch(source("https://a.example:8443/keys"))
    assert connections == [(PUBLIC[0], 8443), (PUBLIC[1], 8443)]


def test_under_debug_localhost_must_be_localhost(connections, names, settings):
    settings.DEBUG = True
    names["localhost"] = [PUBLIC[0]]
    with pytest.raises(FetchError):
        fetch(source("http://localhost/keys"))
    assert connections == []


@pytest.mark.parametrize("host", ["no.such.name.invalid", "a" * 64 + ".example", "a..example", ".example"])
def test_a_name_that_is_none(host):
    with pytest.raises(FetchError):
        fetch(source(f"https://{host}/keys"))


def test_time_is_up_before_it_began(monkeypatch, settings):
    settings.DEBUG = True
    monkeypatch.setattr(fetching, "TIMEOUT", -1.0)
    with pytest.raises(FetchError, match="timed out"):
        fetch(source("http://127.0.0.1/keys"))


def test_the_next_address_answers(names, settings):
    settings.DEBUG = True
    names["localhost"] = ["::1", "127.0.0.1"]
    with serving(document({})) as endpoint:
        assert fetch(source(endpoint.url.replace("127.0.0.1", "localhost"))).body == b"{}"


def test_no_proxy_is_taken_from_the_environment(settings, monkeypatch):
    settings.DEBUG = True
    with serving(document({})) as endpoint, serving(document({})) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert fetch(source(endpoint.url)).body == b"{}"
        assert (len(endpoint.requests), proxy.requests) == (1, [])


def test_what_is_known_already_need_not_come_again(settings):
    settings.DEBUG = True
    with serving(body(b"{}", 'ETag: "a"', "Cache-Control: no-cache")) as endpoint:
        first = fetch(source(endpoint.url + "?a=b"))
        assert (first.body, first.etag, first.cache_control) == (b"{}", '"a"', "no-cache")
        endpoint.answer = body(b"", status="304 Not Modified")
        assert fetch(source(endpoint.url), etag=first.etag).body is None
        assert "GET /keys.json?a=b HTTP/1.1" in endpoint.requests[0]
        assert 'If-None-Match: "a"' in endpoint.requests[1]


# TLS.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory, ec_key):
    """Return the folder of a certificate for `localhost` that is signed with its own key."""
    return write_certificate(tmp_path_factory.mktemp("certificate"), ec_key, "localhost")


@pytest.fixture
def secure(certificate):
    """An endpoint behind TLS."""

    class SecureEndpoint(Endpoint):
        def get_request(self):
            wire, address = super().get_request()
            return server_context(certificate).wrap_socket(wire, server_side=True), address

        def handle_error(self, request, client_address):
            """Say nothing: a client that does not trust the certificate hangs up."""

    with SecureEndpoint(document({"secure": True})) as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield endpoint
        endpoint.shutdown()
        thread.join()


@pytest.fixture
def trusted_certificate(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    fetching._tls.cache_clear()
    yield
    fetching._tls.cache_clear()


def test_over_https(secure, trusted_certificate, settings):
    settings.DEBUG = True
    url = f"https://localhost:{secure.server_address[1]}/keys"
    assert fetch(source(url)).body == b'{"secure": true}'


def test_a_certificate_for_another_name(secure, trusted_certificate, settings):
    settings.DEBUG = True
    with pytest.raises(FetchError, match="certificate"):
        fetch(source(f"https://127.0.0.1:{secure.server_address[1]}/keys"))
    assert secure.requests == []


def test_a_certificate_that_nobody_signed(secure, settings):
    settings.DEBUG = True
    with pytest.raises(FetchError, match="certificate"):
        fetch(source(f"https://localhost:{secure.server_address[1]}/keys"))
    assert secure.requests == []
