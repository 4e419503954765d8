"""The address and User-Agent of the client, as far as our own proxies vouch for them."""

import pytest
from django.test import RequestFactory

from jwt_auth.http.peer import address_group, client_address
from jwt_auth.models import UserSession
from jwt_auth.sessions import Peer, peer_of


def request(address="192.0.2.1", **meta):
    return RequestFactory().get("/", REMOTE_ADDR=address, **meta)


@pytest.fixture
def proxies(settings):
    def behind(number):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": number}

    return behind


@pytest.mark.parametrize("number", [None, 0])
def test_without_proxies_the_forwarded_header_counts_for_nothing(proxies, number):
    proxies(number)
    assert client_address(request(HTTP_X_FORWARDED_FOR="198.51.100.1")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("number", "forwarded", "expected"),
    [
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.9, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (3, "198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (1, "  2001:db8::1 ", "2001:db8::1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.1, unknown", None),
        (1, "198.51.100.1,", None),
        (1, "198.51.100.1:80", "198.51.100.1"),
        (1, "[2001:db8::1]:80", "2001:db8::1"),
        (1, "[2001:db8::1", "2001:db8::1"),
        (1, "198.51.100.1:80:80", None),
    ],
)
def test_each_proxy_of_ours_vouches_for_one_entry_from_the_right(proxies, number, forwarded, expected):
    proxies(number)
    assert client_address(request(HTTP_X_FORWARDED_FOR=forwarded)) == expected


@pytest.mark.parametrize("address", ["", "unix:", "localhost", "192.0.2.256", "192.0.2.1 ", "1.2.3.4\x00"])
def test_what_is_no_address_is_nobody(address):
    assert client_address(request(address)) is None
    assert address_group(request(address)) == "unknown"


def test_addresses_have_one_spelling():
    assert client_address(request("2001:DB8:0:0::1")) == "2001:db8::1"
    assert client_address(request("fe80::1%eth0")) == "fe80::1"
    assert client_address(request("::ffff:192.0.2.1")) == "192.0.2.1"


def test_an_ipv4_address_counts_for_itself():
    assert address_group(request("192.0.2.1")) == "192.0.2.1"
    assert address_group(request("192.0.2.2")) == "192.0.2.2"


def test_an_ipv6_network_of_64_bits_counts_as_one_client():
    groups = {address_group(request(address)) for address in ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")}
    assert groups == {"2001:db8::/64"}
    assert address_group(request("2001:db8:0:1::1")) not in groups


def test_ipv4_clients_of_a_dual_stack_socket_count_each_for_itself():
    # A server that listens on [::] sees every IPv4 client in ::ffff:0:0/96, which is a single /64.
    assert address_group(request("::ffff:192.0.2.1")) != address_group(request("::ffff:192.0.2.2"))
    assert address_group(request("::ffff:192.0.2.1")) == address_group(request("192.0.2.1"))


def test_the_user_agent_is_printable_and_fits_its_column():
    agent = peer_of(request(HTTP_USER_AGENT="a\x00\x1b[31m\r\nb" + "c" * 300)).user_agent
    assert agent.startswith("a[31mbc")
    assert len(agent) == 255
    assert peer_of(request(HTTP_USER_AGENT="Caf\xe9/1.0")).user_agent == "Caf\xe9/1.0"


def test_nothing_known_is_a_peer_too():
    assert peer_of(request("")) == Peer(ip_address=None, user_agent="")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "unix:", ""])
def test_a_session_begins_from_any_address(client, user, address):
    client.defaults["REMOTE_ADDR"] = address
    pair = client.tokens(user)
    rows = client.bearer(pair["access_token"]).get("/auth/sessions/").json()["results"]
    assert [row["current"] for row in rows] == [True]
    stored = UserSession.objects.get().ip_address
    assert stored is None or "%" not in stored


def test_a_session_shows_where_it_came_from(client, user):
    client.defaults |= {"REMOTE_ADDR": "198.51.100.7", "HTTP_USER_AGENT": "phone/1.0"}
    pair = client.tokens(user, label="my phone")
    (row,) = client.bearer(pair["access_token"]).get("/auth/sessions/").json()["results"]
    assert (row["ip_address"], row["user_agent"], row["label"]) == ("198.51.100.7", "phone/1.0", "my phone")
