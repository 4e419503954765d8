"""Clients in the admin: registered, given keys and revoked; a secret is shown once, and no revocation is undone."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from jwt_auth import clients
from jwt_auth.admin import RegisteredClientAdmin
from jwt_auth.administration import clients as administration
from jwt_auth.issuers.client_keys import to_key
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import disable_client, revoke_client, revoke_client_key
from jwt_auth.sessions import Peer
from tests.support.admin import MANY, client_url, column_of, grant, served, signed_in, text_of, user_url
from tests.support.keys import pem, public_pem
from tests.support.queries import count_queries
from tests.support.user_models import managed_by

pytestmark = pytest.mark.django_db

LIVE = '<span class="jwt-auth-live">Active</span>'


@pytest.fixture
def clerk(make_user):
    """A member of staff who may look at clients, and nothing else so far."""
    user = make_user("clerk", is_staff=True)
    grant(user, "view_registeredclient")
    return user


@pytest.fixture
def registered(user):
    return clients.register("Reports", user, "reports:read")


@pytest.fixture
def secret_key(registered):
    """A key of the client, with a secret: `secret_key.secret`, `secret_key.key`."""
    return clients.add_secret(registered)


def registration(of, **changes):
    """Return the form that registers a client that acts as the user `of`."""
    return {"name": "Reports", "user": str(of.pk), "scopes": "b a", "kind": "secret", **changes}


def shown_secret(response):
    return re.search(r'<code class="jwt-auth-secret">([^<]+)</code>', text_of(response))[1]


# Registered


def test_a_client_is_registered_and_its_secret_is_shown_in_one_answer(user, staff, browser):
    answer = browser.post(client_url("add"), registration(user, requires_binding="on"))
    secret = shown_secret(answer)
    assert "no-store" in answer.headers["Cache-Control"]
    row = RegisteredClient.objects.get()
    key = row.keys.get()
    assert (row.name, row.user_id, row.scopes.split(), row.requires_binding) == ("Reports", user.pk, ["b", "a"], True)
    assert to_key(key).verifying == secret.encode()
    for fact in (row.client_id, key.kid, "HS256"):
        assert f"<code>{fact}</code>" in text_of(answer)
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.get_change_message()) == (staff.pk, str(row.pk), "Registered.")
    for url in (client_url("changelist"), client_url("change", row.pk), client_url("history", row.pk)):
        assert secret not in text_of(browser.get(url))
    stored = [*Session.objects.all(), *LogEntry.objects.all()]
    assert secret not in str([vars(each) for each in stored] + [each.get_decoded() for each in stored[:1]])


def test_the_page_of_a_secret_can_not_be_asked_for_again(secret_key, registered, browser):
    for page in ("add_key", "change"):
        assert secret_key.secret not in text_of(browser.get(client_url(page, registered.pk)))
    answer = browser.post(client_url("add_key", registered.pk), {"kind": "secret"})
    assert shown_secret(answer) != secret_key.secret


@pytest.mark.parametrize("fault", ["in the view", "in the template"])
def test_an_error_report_has_no_secret(user, staff, monkeypatch, settings, fault, caplog):
    settings.DEBUG = True
    browser = signed_in(staff)
    browser.raise_request_exception = False

    def fail(*arguments):
        raise RuntimeError("a fault of the project")

    title = type("Title", (), {"__str__": fail})()
    context = fail if fault == "in the view" else lambda request: {"site_title": title}
    monkeypatch.setattr(admin.site, "each_context", context)
    page = browser.post(client_url("add"), registration(user))
    assert page.status_code == 500
    secret = to_key(ClientKey.objects.get()).verifying.decode()
    assert "a fault of the project" in page.content.decode()
    assert "NewKey" in page.content.decode()
    assert secret not in page.content.decode() + caplog.text


def test_a_client_is_registered_with_the_public_half_of_its_key(user, browser, rsa_key):
    pasted = registration(user, kind="public_key", public_key=public_pem(rsa_key), algorithm="PS256")
    answer = browser.post(client_url("add"), pasted)
    key = ClientKey.objects.get()
    assert answer.url == client_url("change", key.client.pk)
    assert (key.algorithm, key.encrypted_secret) == ("PS256", "")
    assert f"The key {key.kid} was added." in text_of(browser.get(answer.url))


def test_a_popup_closes_and_picks_the_new_client(user, browser, rsa_key):
    url = f"{client_url('add')}?_popup=1&_to_field=id"
    page = text_of(browser.get(url))
    assert "cancel-link" not in page
    sent = dict(re.findall(r'<input type="hidden" name="(_\w+)" value="(\w+)">', page))
    pasted = registration(user, kind="public_key", public_key=public_pem(rsa_key))
    answer = browser.post(url, {**pasted, **sent})
    assert json.loads(answer.context_data["popup_response_data"])["value"] == str(RegisteredClient.objects.get().pk)
    assert browser.get(f"{client_url('add')}?_popup=1&_to_field=ip_address").status_code == 400


def test_a_field_that_must_not_be_read_is_refused_before_a_key_is_made(registered, browser):
    number = ClientKey.objects.count()
    url = client_url("add_key", registered.pk)
    assert browser.post(f"{url}?_to_field=ip_address", {"kind": "secret"}).status_code == 400
    assert ClientKey.objects.count() == number
    assert browser.post(f"{url}?_to_field=id", {"kind": "secret"}).status_code == 200
    assert ClientKey.objects.count() == number + 1


def test_popups_only_pick_a_client(registered, secret_key, browser):
    pages = [text_of(browser.get(client_url("change", registered.pk) + query)) for query in ("", "?_popup=1")]
    assert [client_url("rotate_key", registered.pk, secret_key.key.pk) in page for page in pages] == [True, False]


REFUSED = {
    "no name": ({"name": ""}, "This field is required."),
    "no user": ({"user": ""}, "This field is required."),
    "a user that is none": ({"user": "x"}, "valid"),
    "a user beyond all numbers": ({"user": "9" * 30}, "valid"),
    "scopes that can't be": ({"scopes": 'a "b'}, ""),
    "no kind": ({"kind": ""}, "This field is required."),
    "another kind": ({"kind": "x"}, "Select a valid choice."),
    "no public key": ({"kind": "public_key"}, "Paste the public key."),
    "no key": ({"kind": "public_key", "public_key": "x"}, ""),
    "a JWK with nothing in it": ({"kind": "public_key", "public_key": "{}"}, ""),
    "a JWK that is deep": ({"kind": "public_key", "public_key": '{"a":' * 1500 + "1" + "}" * 1500}, ""),
    "a NUL": ({"kind": "public_key", "public_key": "\0"}, "Null characters are not allowed."),
    "an algorithm for key pairs": ({"algorithm": "RS256"}, ""),
    "an algorithm that is none": ({"algorithm": "none"}, "Select a valid choice."),
    "an end that is past": ({"expires_at": "2020-01-01T00:00"}, ""),
    "an end that is none": ({"expires_at": "x"}, "Enter a valid date/time."),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_can_not_be_is_an_error_on_the_form_and_leaves_nothing(user, browser, fault):
    changes, words = REFUSED[fault]
    page = text_of(browser.post(client_url("add"), registration(user, **changes)))
    errors = " ".join(re.findall(r'<ul class="errorlist.*?</ul>', page, re.DOTALL))
    assert errors
    assert words in errors
    assert not RegisteredClient.objects.exists()
    assert not ClientKey.objects.exists()


def test_for_a_user_who_was_just_deleted_there_is_no_client(browser, leaver):
    page = text_of(browser.post(client_url("add"), registration(leaver)))
    assert "The user no longer exists." in page
    assert not RegisteredClient.objects.exists()


@pytest.mark.parametrize("page", ["add", "add_key", "rotate_key"])
def test_a_private_key_is_refused_and_not_repeated(registered, user, browser, rsa_key, page):
    arguments = [] if page == "add" else [registered.pk]
    if page == "rotate_key":
        arguments.append(clients.add_public_key(registered, public_pem(rsa_key)).key.pk)
    before = ClientKey.objects.count()
    pasted = registration(user, kind="public_key", public_key=pem(rsa_key), overlap="7")
    answer = text_of(browser.post(client_url(page, *arguments), pasted))
    assert 'class="errorlist' in answer
    assert "PRIVATE" not in answer
    assert pem(rsa_key).splitlines()[5] not in answer
    assert ClientKey.objects.count() == before


def test_a_public_key_need_not_be_pasted_again_when_something_else_is_wrong(user, browser, rsa_key):
    pasted = registration(user, name="", kind="public_key", public_key=public_pem(rsa_key))
    assert public_pem(rsa_key).splitlines()[5] in text_of(browser.post(client_url("add"), pasted))


def test_nobody_makes_keys_to_act_as_somebody_who_may_more(user, staff, clerk):
    grant(clerk, "add_registeredclient", "change_registeredclient")
    browser = signed_in(clerk)
    page = text_of(browser.post(client_url("add"), registration(staff)))
    assert "You may not create keys for a client that acts as this user." in page
    assert not RegisteredClient.objects.exists()
    of_staff = clients.register("Root", staff)
    key = clients.add_secret(of_staff).key
    assert browser.post(client_url("add_key", of_staff.pk), {"kind": "secret"}).status_code == 403
    assert browser.post(client_url("rotate_key", of_staff.pk, key.pk), {"overlap": "0"}).status_code == 403
    assert browser.post(client_url("change", of_staff.pk), {"name": "x", "scopes": "all"}).status_code == 403
    assert of_staff.keys.count() == 1
    assert shown_secret(browser.post(client_url("add"), registration(clerk)))


def test_the_apps_own_scopes_are_given_by_who_may_do_the_same(user, clerk):
    grant(clerk, "add_registeredclient", "change_registeredclient")
    held = clients.register("held", user, "introspect")
    other = clients.register("other", user)
    browser = signed_in(clerk)
    refusal = "You may not give a client a permission that you do not have."
    assert refusal in text_of(browser.post(client_url("add"), {**registration(clerk), "scopes": "read introspect"}))
    change = {"name": "x", "scopes": "revoke_user"}
    assert refusal in text_of(browser.post(client_url("change", other.pk), change))
    assert browser.post(client_url("add_key", held.pk), {"kind": "secret"}).status_code == 403
    assert RegisteredClient.objects.count() == 2
    grant(clerk, "introspect", "revoke_user")
    browser = signed_in(clerk)
    assert shown_secret(browser.post(client_url("add"), {**registration(clerk), "scopes": "read introspect"}))
    assert browser.post(client_url("change", other.pk), change).status_code == 302
    assert browser.post(client_url("add_key", held.pk), {"kind": "secret"}).status_code == 200


# Keys


def test_a_key_is_replaced_with_an_overlap(registered, secret_key, browser):
    answer = browser.post(client_url("rotate_key", registered.pk, secret_key.key.pk), {"overlap": "3"})
    secret = shown_secret(answer)
    old, new = registered.keys.order_by("pk")
    assert to_key(new).verifying == secret.encode()
    assert timedelta(days=2.9) < old.expires_at - timezone.now() <= timedelta(days=3)
    assert f"Replaced the key {old.kid} by {new.kid}." in LogEntry.objects.get().get_change_message()


def test_a_public_key_is_replaced_by_another_that_is_pasted(registered, browser, rsa_key, ec_key):
    old = clients.add_public_key(registered, public_pem(rsa_key)).key
    url = client_url("rotate_key", registered.pk, old.pk)
    assert 'name="public_key"' in text_of(browser.get(url))
    assert "This field is required." in text_of(browser.post(url, {"overlap": "0"}))
    assert browser.post(url, {"overlap": "0", "public_key": public_pem(rsa_key)}).status_code == 200
    answer = browser.post(url, {"overlap": "0", "public_key": public_pem(ec_key)})
    assert answer.url == client_url("change", registered.pk)
    old.refresh_from_db()
    assert not old.is_usable(timezone.now())
    assert registered.keys.get(revoked_at=None, expires_at=None).algorithm == "ES256"


@pytest.mark.parametrize("overlap", ["", "-1", "91", "x"])
def test_an_overlap_is_some_days(registered, secret_key, browser, overlap):
    page = text_of(browser.post(client_url("rotate_key", registered.pk, secret_key.key.pk), {"overlap": overlap}))
    assert 'class="errorlist' in page
    assert registered.keys.count() == 1


def test_the_page_of_a_client_says_what_it_needs_and_what_became_of_its_keys(registered, secret_key, browser):
    other = clients.add_secret(registered, expires_at=timezone.now() + timedelta(hours=1)).key
    ClientKey.objects.filter(pk=other.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    revoke_client_key(clients.add_secret(registered).key)
    page = text_of(browser.get(client_url("change", registered.pk)))
    assert registered.client_id in page
    states = re.findall(r'<span class="jwt-auth-(?:live|ended)">(\w+)<', page)
    assert states == ["Active", "Revoked", "Expired", "Active"]
    assert secret_key.key.encrypted_secret not in page
    assert page.count("Replace</a>") == 2


def test_of_many_keys_the_newest_are_shown(registered, browser, monkeypatch):
    monkeypatch.setattr(administration, "KEYS_SHOWN", 2)
    keys = [clients.add_secret(registered).key for _ in range(3)]
    page = text_of(browser.get(client_url("change", registered.pk)))
    assert [key.kid in page for key in keys] == [False, True, True]
    assert "Older keys are not shown." in page


# Changed


def test_a_client_is_renamed_and_what_it_may_is_narrowed(registered, browser, staff):
    url = client_url("change", registered.pk)
    answer = browser.post(url, {"name": "Statistics", "scopes": "", "requires_binding": "on"})
    assert answer.url == client_url("changelist")
    registered.refresh_from_db()
    assert (registered.name, registered.scopes, registered.requires_binding) == ("Statistics", "", True)
    assert RevocationEvent.objects.get().subject == registered.client_id
    assert LogEntry.objects.get().user_id == staff.pk


def test_scopes_that_can_not_be_are_an_error_on_the_form(registered, browser):
    page = text_of(browser.post(client_url("change", registered.pk), {"name": "Reports", "scopes": 'a "b'}))
    assert 'class="errorlist' in page
    registered.refresh_from_db()
    assert registered.scopes == "reports:read"


# Revoked

OPERATIONS = {
    "revoke_key": "The key {kid} was revoked.",
    "revoke_tokens": "The tokens of the client were revoked.",
    "disable": "The client was disabled.",
}


def operation_url(page, registered, key):
    return client_url(page, registered.pk, *([key.pk] if page == "revoke_key" else []))


@pytest.mark.parametrize("page", OPERATIONS)
def test_an_operation_asks_first_and_is_done_by_post(registered, secret_key, browser, staff, page):
    url = operation_url(page, registered, secret_key.key)
    assert url in text_of(browser.get(client_url("change", registered.pk)))
    question = text_of(browser.get(url))
    assert "be undone" in question or "permanently" in question
    assert "Keys of the client that can sign now: <strong>1</strong>" in question
    browser.post(url, {"reason": "not confirmed"})
    assert not RevocationEvent.objects.exists()
    answer = browser.post(url, {"confirmed": "yes", "reason": "stolen"})
    assert answer.url == client_url("change", registered.pk)
    event = RevocationEvent.objects.get()
    assert (event.scope, event.reason, event.actor) == (
        "key" if page == "revoke_key" else "client",
        "stolen",
        str(staff.pk),
    )
    said = OPERATIONS[page].format(kid=secret_key.key.kid)
    assert said in text_of(browser.get(answer.url))
    assert LogEntry.objects.get().get_change_message() == said


def test_what_was_revoked_has_no_way_back(registered, secret_key, browser):
    revoke_client_key(secret_key.key)
    disable_client(registered)
    before = list(ClientKey.objects.values()), list(RegisteredClient.objects.values())
    forged = {"name": "x", "scopes": "x", "is_active": "on", "revoked_at": "", "tokens_valid_after": "", "post": "yes"}
    for page in ("change", "delete", "add_key"):
        url = client_url(page, registered.pk)
        assert browser.post(url, {**forged, "kind": "secret"}).status_code == 403, page
    for page in ("rotate_key", "revoke_key"):
        url = client_url(page, registered.pk, secret_key.key.pk)
        assert browser.post(url, {"overlap": "7", "confirmed": "yes"}).status_code in (302, 403)
    browser.post(client_url("changelist"), {"action": "delete_selected", "_selected_action": [registered.pk]})
    assert (list(ClientKey.objects.values()), list(RegisteredClient.objects.values())) == before
    page = text_of(browser.get(client_url("change", registered.pk)))
    assert "Disabled" in page
    for name in ("add_key", "revoke_tokens", "disable"):
        assert client_url(name, registered.pk) not in page


def test_a_client_goes_with_its_user_and_only_so(registered, user, browser):
    assert browser.post(client_url("delete", registered.pk), {"post": "yes"}).status_code == 403
    assert browser.post(user_url("delete", user.pk), {"post": "yes"}).status_code == 302
    assert not RegisteredClient.objects.exists()
    assert not get_user_model().objects.filter(pk=user.pk).exists()


def test_the_record_names_the_client(registered, secret_key, browser):
    revoke_client_key(secret_key.key, reason="of a key")
    disable_client(registered, reason="of a client")
    url = reverse("admin:jwt_auth_revocationevent_changelist")
    link = f'<a href="{client_url("change", registered.pk)}">{registered.name}</a>'
    assert text_of(browser.get(url)).count(link) == 2
    assert text_of(browser.get(url, {"q": registered.client_id})).count(link) == 2
    assert link not in text_of(browser.get(url, {"q": registered.client_id[:-1]}))
    registered.delete()
    assert registered.client_id in text_of(browser.get(url))


# Permissions


CHANGES = {"add": {}, "add_key": {"kind": "secret"}, "rotate_key": {"overlap": "0"}, "change": {"name": "x"}}


def test_without_permissions_clients_are_only_looked_at(registered, secret_key, user, clerk):
    browser = signed_in(clerk)
    page = text_of(browser.get(client_url("change", registered.pk)))
    for name in ("add_key", "revoke_tokens", "disable"):
        assert client_url(name, registered.pk) not in page
    assert "Replace</a>" not in page
    assert client_url("add") not in text_of(browser.get(client_url("changelist")))
    assert _statuses(browser, registered, secret_key.key, user) == {403}
    grant(clerk, "add_registeredclient", "change_registeredclient", "revoke_client")
    assert 403 not in _statuses(signed_in(clerk), registered, secret_key.key, clerk)


def _statuses(browser, registered, key, user):
    """Return the status codes of the answers to all operations."""
    arguments = {"add": [], "rotate_key": [registered.pk, key.pk], "revoke_key": [registered.pk, key.pk]}
    bodies = {**CHANGES, "add": registration(user), **{name: {"confirmed": "yes"} for name in OPERATIONS}}
    urls = {name: client_url(name, *arguments.get(name, [registered.pk])) for name in bodies}
    return {browser.post(urls[name], body).status_code for name, body in bodies.items()}


def test_the_permission_to_revoke_alone_opens_no_page(registered, make_user):
    other = make_user("other", is_staff=True)
    grant(other, "revoke_client")
    browser = signed_in(other)
    assert browser.get(client_url("changelist")).status_code == 403
    assert browser.post(client_url("disable", registered.pk), {"confirmed": "yes"}).status_code == 403
    registered.refresh_from_db()
    assert registered.is_active


@pytest.mark.parametrize("pk", ["x", "0", "9" * 30])
def test_a_client_that_is_not_there_is_not_found(browser, pk):
    assert browser.post(f"/admin/jwt_auth/registeredclient/{pk}/disable/", {"confirmed": "yes"}).status_code == 302


@pytest.mark.parametrize("page", ["change", "disable", "revoke_tokens"])
def test_a_client_that_is_deleted_in_that_very_moment_is_not_found(registered, browser, monkeypatch, page):
    operations = {"change": "change", "disable": "disable_client", "revoke_tokens": "revoke_client"}
    module = clients if page == "change" else administration
    operation = getattr(module, operations[page])

    def too_late(client, **options):
        RegisteredClient.objects.filter(pk=client.pk).delete()
        return operation(client, **options)

    monkeypatch.setattr(module, operations[page], too_late)
    answer = browser.post(client_url(page, registered.pk), {"name": "x", "scopes": "x", "confirmed": "yes"})
    assert answer.url == reverse("admin:index")
    assert "Perhaps it was deleted?" in text_of(browser.get(answer.url))


@pytest.mark.parametrize("page", ["rotate_key", "revoke_key"])
def test_a_key_of_another_client_is_not_found(registered, user, browser, page):
    key = clients.add_secret(clients.register("Other", user)).key
    for number in (key.pk, 0, 10**30):
        answer = browser.post(client_url(page, registered.pk, number), {"confirmed": "yes", "overlap": "0"})
        assert answer.url == client_url("change", registered.pk)
    assert "no such key" in text_of(browser.get(client_url("change", registered.pk)))
    key.refresh_from_db()
    assert key.is_usable(timezone.now())


@pytest.mark.parametrize("name", ["keys__encrypted_secret", "keys__public_jwk", "user__password"])
def test_nothing_secret_can_be_guessed_letter_by_letter(secret_key, browser, name):
    assert browser.get(client_url("changelist"), {f"{name}__startswith": "a"}).status_code == 400
    text_of(browser.get(client_url("changelist"), {"name__startswith": "a"}))


def test_on_a_site_without_users_clients_are_registered_all_the_same(registered, user, staff):
    site = admin.AdminSite("other")
    site.register(RegisteredClient, RegisteredClientAdmin)
    with served(site):
        browser = signed_in(staff)
        page = text_of(browser.get("/other/jwt_auth/registeredclient/"))
        assert escape(user) in column_of(page, "owner")
        assert shown_secret(browser.post("/other/jwt_auth/registeredclient/add/", registration(user)))


# Search and queries


def listed(browser, **query):
    page = text_of(browser.get(client_url("changelist"), query))
    return set(column_of(page, "called"))


def test_clients_are_searched_and_filtered(user, make_user, browser):
    bob = make_user("robert")
    first, second = clients.register("Reports", user), clients.register("Sensors", bob)
    disable_client(second)
    assert listed(browser) == {"Reports", "Sensors"}
    assert listed(browser, q="repo") == {"Reports"}
    assert listed(browser, q="robert") == {"Sensors"}
    assert listed(browser, q=first.client_id) == {"Reports"}
    assert listed(browser, is_active__exact="0") == {"Sensors"}


@pytest.mark.parametrize("query", ["q=%00", "user__exact=x", "is_active__exact=x", "p=9999", "o=99"])
def test_a_strange_address_is_no_error(registered, browser, query):
    assert browser.get(f"{client_url('changelist')}?{query}").status_code in (200, 302)


def test_pages_cost_the_same_with_sixty_clients_and_with_many(registered, secret_key, user, make_user, browser):
    pages = {
        "list": (client_url("changelist"), {}),
        "active": (client_url("changelist"), {"is_active__exact": "1"}),
        "search": (client_url("changelist"), {"q": "Client"}),
        "client": (client_url("change", registered.pk), {}),
        "form": (client_url("add"), {}),
    }
    for url, query in pages.values():
        browser.get(url, query)  # Django keeps content types after the first look-up
    counted = {name: [] for name in pages}
    for number in (60, MANY):
        rows = [RegisteredClient(name=f"Client {number}", user=user, scopes="a") for _ in range(number)]
        RegisteredClient.objects.bulk_create(rows, batch_size=500)
        clients.add_secret(registered)
        for i in range(20):
            clients.register(f"Client of {number}x{i}", make_user(f"user{number}x{i}"))
        for name, (url, query) in pages.items():
            queries, answer = count_queries(browser.get, url, query)
            text_of(answer)
            counted[name].append(queries)
    for name, (few, many) in counted.items():
        assert few == many, name
        assert many <= (11 if name == "search" else 7), name


# Registrars


def test_who_made_a_client_and_its_keys_is_shown(user, staff, browser):
    browser.post(client_url("add"), registration(user), REMOTE_ADDR="203.0.113.7")
    row = RegisteredClient.objects.get()
    browser.post(client_url("add_key", row.pk), {"kind": "secret"}, REMOTE_ADDR="203.0.113.8")
    browser.post(client_url("rotate_key", row.pk, row.keys.first().pk), {"overlap": "7"}, REMOTE_ADDR="203.0.113.9")
    made = [(row.created_by, row.ip_address), *row.keys.order_by("pk").values_list("created_by", "ip_address")]
    addresses = ["203.0.113.7", "203.0.113.7", "203.0.113.8", "203.0.113.9"]
    assert made == [(str(staff.pk), address) for address in addresses]
    page = text_of(browser.get(client_url("change", row.pk)))
    assert all(address in page for address in addresses)
    assert page.count(f'<a href="{user_url("change", staff.pk)}">{staff}</a>') >= 4
    listed = text_of(browser.get(f"{client_url('changelist')}?created_by={staff.pk}"))
    assert "203.0.113.7" in listed
    assert "203.0.113.7" not in text_of(browser.get(f"{client_url('changelist')}?created_by=x"))


def test_a_key_in_doubt_is_marked(user, make_user, browser):
    registrar = make_user("registrar")
    row = clients.register("Reports", user, actor=registrar)
    clients.add_secret(row, actor=registrar)
    url = client_url("change", row.pk)
    assert "jwt-auth-doubt" not in text_of(browser.get(url))
    user.is_staff = True
    user.save()
    page = text_of(browser.get(url))
    assert '<span class="jwt-auth-ended">Suspended</span>' in page
    assert "Issued before the user was promoted; refused" in page
    user.is_staff = False
    user.save()
    registrar.delete()
    page = text_of(browser.get(url))
    assert LIVE in page
    assert "Added by a user who was deleted" in page


def test_nobody_adds_a_key_for_a_user_who_was_promoted_beyond_them(user, make_user):
    registrar = make_user("registrar", is_staff=True)
    grant(registrar, "view_registeredclient", "change_registeredclient")
    row = clients.register("Reports", user, actor=registrar)
    key = clients.add_secret(row, actor=registrar).key
    pages, browser = (client_url("add_key", row.pk), client_url("rotate_key", row.pk, key.pk)), signed_in(registrar)
    assert [browser.get(url).status_code for url in pages] == [200, 200]
    user.is_superuser = True
    user.save()
    assert [browser.get(url).status_code for url in pages] == [403, 403]


# Names and states


def test_a_client_is_found_by_the_id_of_a_key(registered, secret_key, user, browser):
    clients.register("Other", user)
    assert listed(browser, q=secret_key.key.kid) == {"Reports"}
    assert listed(browser, q=secret_key.key.kid[:-1]) == set()


def test_the_list_names_the_registrar_of_a_client(user, staff, browser):
    clients.register("Reports", user, actor=staff, peer=Peer(ip_address="192.0.2.7"))
    page = text_of(browser.get(client_url("changelist")))
    (made,) = column_of(page, "made")
    assert made.endswith(f", {staff}, 192.0.2.7")
    assert f'<a href="{user_url("change", staff.pk)}">{staff}</a>' in page


ENDS = {
    "Client disabled": lambda registered: disable_client(registered),
    "User inactive": lambda registered: get_user_model().objects.filter(pk=registered.user_id).update(is_active=False),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_key_is_not_active_if_its_client_or_user_is_not(registered, secret_key, browser, end):
    url = client_url("change", registered.pk)
    active = '<span class="jwt-auth-live">Active</span>'
    assert text_of(browser.get(url)).count(active) == 2  # of the client and of the key
    ENDS[end](registered)
    page = text_of(browser.get(url))
    assert active not in page
    assert f'<span class="jwt-auth-ended">{end}</span>' in page
    assert active not in text_of(browser.get(client_url("changelist")))


@pytest.mark.parametrize("page", OPERATIONS)
def test_a_question_names_the_client_and_its_key(registered, secret_key, browser, page):
    text = text_of(browser.get(operation_url(page, registered, secret_key.key)))
    title = text.partition("<title>")[2].partition("</title>")[0]
    assert "Reports" in title
    assert (secret_key.key.kid in title) == (page == "revoke_key")


def test_the_form_has_one_help_text_for_a_field_and_finds_users_by_name(registered, user, browser, make_user):
    page = text_of(browser.get(client_url("add")))
    for name in ("scopes", "requires_binding"):
        help_text = str(RegisteredClient._meta.get_field(name).help_text)
        assert help_text in page
        assert help_text in text_of(browser.get(client_url("change", registered.pk)))
    assert "admin-autocomplete" in page
    assert ">Cancel</a>" in page
    page = text_of(browser.post(client_url("add"), {"user": str(user.pk)}))
    assert f'<option value="{user.pk}" selected>{user}</option>' in page
    clerk = make_user("clerk", is_staff=True)  # who may not look at users
    grant(clerk, "add_registeredclient", "view_registeredclient")
    page = text_of(signed_in(clerk).get(client_url("add")))
    assert "admin-autocomplete" not in page
    assert 'name="user"' in page


def test_a_client_s_page_says_which_tokens_are_refused(registered, browser):
    url = client_url("change", registered.pk)
    assert "None were revoked." in text_of(browser.get(url))
    revoke_client(registered)
    assert "All that were signed before" in text_of(browser.get(url))


@pytest.mark.parametrize(
    ("name", "offered"), [("usersession", 1), ("revocationevent", 1), ("registeredclient", 0), ("signingkey", 0)]
)
def test_everything_is_revoked_from_the_lists_of_sessions_and_revocations(browser, name, offered):
    page = text_of(browser.get(reverse(f"admin:jwt_auth_{name}_changelist")))
    assert page.count("Revoke everything") == offered


def test_a_client_of_a_hidden_user_and_its_keys_are_not_active(registered, secret_key, browser):
    pages = [client_url("changelist"), client_url("change", registered.pk)]
    assert all(LIVE in text_of(browser.get(url)) for url in pages)
    with managed_by(lambda rows: rows.exclude(pk=registered.user_id)):
        for url in pages:
            page = text_of(browser.get(url))
            assert '<span class="jwt-auth-ended">User hidden</span>' in page
            assert "jwt-auth-live" not in page
