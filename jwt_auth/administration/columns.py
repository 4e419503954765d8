"""
Cells of lists and facts of pages: links, states, times, and the names of rows.

If a list is too narrow for its columns, `admin.css` stacks the cells of each row. Then there is no header, so each cell
has the name of its column in `data-label`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator, capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext

from jwt_auth.models import UserSession
from jwt_auth.sessions import devices

Text = str | Promise

NOTHING = "-"

# How many characters of a User-Agent are shown if it has no known name.
AGENT_SHOWN = 60


def column(description: Any, ordering: str | None = None) -> Callable[[Any], Any]:
    """Wrap `admin.display`, and give each cell the name of the column."""

    def decorate(method: Callable[[Any, Any], Any]) -> Any:
        @wraps(method)
        def cell(model_admin: Any, row: Any) -> str:
            return labelled(description, method(model_admin, row))

        return admin.display(description=description, ordering=ordering)(cell)

    return decorate


def moment_column(name: str, description: Any) -> Any:
    """Return the column of a time: the attribute `name` of the rows."""

    @column(description, ordering=name)
    def cell(model_admin: Any, row: Any) -> str:
        return moment(getattr(row, name))

    return cell


def labelled(description: Any, value: Any) -> str:
    """Return a cell with the name of its column."""
    return format_html('<span class="jwt-auth-cell" data-label="{}">{}</span>', capfirst(description), value or NOTHING)


def moment(value: datetime | None) -> str:
    """Return a time as text for people."""
    return NOTHING if value is None else date_format(localtime(value), "DATETIME_FORMAT")


def badge(text: Text, *, live: bool) -> str:
    """Return a state formatted for lists; `live` is whether it is in force or has ended."""
    return format_html('<span class="{}">{}</span>', "jwt-auth-live" if live else "jwt-auth-ended", text)


def url_of(site: Any, row: Any) -> str | None:
    """Return the URL of the page of `row` on an admin site, or None if it has no page."""
    meta = row._meta
    try:
        return reverse(f"{site.name}:{meta.app_label}_{meta.model_name}_change", args=(quote(row.pk),))
    except NoReverseMatch:
        return None


def link_to(site: Any, row: Any, name: Text | None = None) -> str:
    """Return the name of `row`, linked to its page if it has one."""
    url, name = url_of(site, row), str(row) if name is None else name
    return format_html('<a href="{}">{}</a>', url, name) if url else str(name)


def maker_of(site: Any, row: Any, makers: Mapping[str, Any]) -> str:
    """Return the maker of a client or a key, linked if it is one of the users in `makers`."""
    user = makers.get(row.created_by)
    return (row.created_by or NOTHING) if user is None else link_to(site, user)


def making_of(site: Any, row: Any, makers: Mapping[str, Any]) -> str:
    """Return the time, the maker and the address of the registration of a client or a key."""
    parts = [moment(row.created_at), maker_of(site, row, makers) if row.created_by else "", row.ip_address or ""]
    return format_html_join(", ", "{}", ((part,) for part in parts if part))


def device_of(session: UserSession) -> str:
    """Return the name of a session for people: its label, and the browser and the system."""
    agent = Truncator(devices.name_of(session.last_user_agent or session.user_agent)).chars(AGENT_SHOWN)
    return ", ".join(filter(None, (session.label, agent))) or gettext("Unnamed device")


def peers_of(session: UserSession) -> str:
    """Return a table of the peers of a session: of the sign-in, of the newest refresh and of a misuse, if any."""
    rows: list[tuple[str, str | None, str, datetime | None]] = []
    rows.append((gettext("Sign-in"), session.ip_address, session.user_agent, session.started_at))
    if session.counter:
        rows.append((gettext("Newest refresh"), session.last_ip_address, session.last_user_agent, session.rotated_at))
    if session.misused_ip_address or session.misused_user_agent:
        rows.append((gettext("Misuse"), session.misused_ip_address, session.misused_user_agent, session.revoked_at))
    titles = (gettext("Address"), gettext("User agent"), gettext("Time"))
    lines = (
        (name, _cells(titles, (where or NOTHING, agent or NOTHING, moment(at)))) for name, where, agent, at in rows
    )
    return format_html(
        '<div class="jwt-auth-scroll"><table><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table></div>',
        format_html_join("", '<th scope="col">{}</th>', ((title,) for title in titles)),
        format_html_join("", '<tr><th scope="row">{}</th>{}</tr>', lines),
    )


def _cells(titles: Iterable[str], values: Iterable[str]) -> str:
    return format_html_join("", '<td data-label="{}">{}</td>', zip(titles, values, strict=True))


def sign_in_of(session: UserSession) -> str:
    """Return the time of the sign-in, and its methods if there are any."""
    time = moment(session.started_at)
    return f"{time} ({session.amr})" if session.amr else time


def duration(value: timedelta) -> str:
    """Return a duration as text for people."""
    return str(value).removesuffix(", 0:00:00")


def address_of(session: UserSession) -> str:
    """Return the address of the sign-in, and that of the last use if it is another one."""
    first, last = session.ip_address or NOTHING, session.last_ip_address
    if last is None or last == first:
        return first
    return gettext("%(first)s, last used from %(last)s") % {"first": first, "last": last}
