"""
The output of `manage.py jwt_migrate simplejwt`, which is complete without the guide.
"""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from jwt_auth.conf.former import RULES
from jwt_auth.contrib.simplejwt.moving import prerequisites
from jwt_auth.contrib.simplejwt.moving.code import Handling, Mention
from jwt_auth.contrib.simplejwt.moving.project import Reading

_WIDTH = 80

# What clients may notice, in the order in which they meet it.
CLIENTS = (
    "A refresh returns a new `refresh`, which the client must store; the old one works for another minute.",
    "A refresh token is no longer a JWT, so clients can't read its `exp`. An access token still is one.",
    "An access token also has the claims iss, aud, sub, sid and auth_time.",
    "A session ends 30 days after its sign-in, however often it is refreshed; SESSION_ABSOLUTE_TIMEOUT sets the time.",
    "A token of a user who was revoked, signed out or has a new password is refused at once, not at its `exp`.",
    "Too many wrong passwords, or refreshes, are answered with 429 and Retry-After.",
    "If the database is down, the answer is 503 with Retry-After, and the tokens stay valid.",
)

# What the project's own tests may notice.
TESTS = (
    "A test that uses a refresh token twice: set ROTATION_GRACE_PERIOD to timedelta(0) in the settings of the tests.",
    "Tests that sign in more than ten times a minute: raise LOGIN_THROTTLE there, or clear the cache in setUp().",
    "A test that compares `exp` with `iat`: an access token may live some seconds less than ACCESS_TOKEN_LIFETIME.",
)

_UNTIL = (
    "Keep simplejwt installed and in INSTALLED_APPS, and SIMPLE_JWT in the settings, until "
    "manage.py jwt_migrate simplejwt --check says that all former tokens have expired."
)


def lines(reading: Reading) -> Iterator[str]:
    """Yield the lines of the report."""
    yield from _section("Before you begin", list(prerequisites.problems(reading.root, reading.values)))
    yield from _settings(reading)
    yield from _code(reading)
    yield from _section("What clients may notice", CLIENTS)
    yield from _section("What your tests may notice", TESTS)
    writes = "manage.py jwt_migrate simplejwt --write makes these changes, after it has shown them."
    yield from _section("Then", [*([writes] if reading.changes() else []), *_then(reading)])


def _section(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from ("", title, "")
    for item in items:
        yield from wrap(item, _WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _settings(reading: Reading) -> Iterator[str]:
    yield from ("", "Settings", "")
    for name in reading.values:
        rule = RULES.get(name)
        if rule is None:
            yield f"  {name}: a setting of your own, which stays in SIMPLE_JWT for your code."
            continue
        place = f" as {rule.place}" if rule.place else ""
        yield from wrap(
            f"{name}: {rule.outcome.value}{place}. {rule.reason}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    if not reading.values:
        yield "  SIMPLE_JWT is not set: the defaults of simplejwt are carried over."
    yield from ("", "  JWT_AUTH, without what is the default here:", "")
    yield from (f"    {line}" for line in reading.written.as_code().splitlines())
    yield from _section("Decide", [*_where(reading), *reading.written.notices])


def _where(reading: Reading) -> Iterator[str]:
    """Yield notices about the files of the settings."""
    if reading.has_settings:
        yield "JWT_AUTH is set already, so it is not changed: add what it lacks of the above."
    elif reading.settings_file is None:
        yield "No file below this directory has the settings: add the above to them."
    for path in reading.other_files:
        yield f"{path.relative_to(reading.root)} sets SIMPLE_JWT too: set JWT_AUTH there as well."


def _code(reading: Reading) -> Iterator[str]:
    changed = sum(place.new is not None for place in reading.places)
    stay = sum(place.kind in (Handling.STAYS, Handling.OWN) for place in reading.places)
    yield from ("", f"Places in the code: {changed} to change, {len(reading.by_hand())} to look at, {stay} to stay")
    for place in reading.places:
        yield from ("", f"  {place.path.relative_to(reading.root)}:{place.line}")
        yield from _place(place)
    for path, error in reading.unread:
        yield from ("", f"  {path.relative_to(reading.root)}: can't be read: {error}")


def _place(place: Mention) -> Iterator[str]:
    yield from (f"    - {line}" for line in place.old.splitlines())
    if place.new is not None:
        yield from (f"    + {line.strip()}" for line in place.new.splitlines())
    if place.advice:
        yield from wrap(place.advice, _WIDTH, initial_indent="    ! ", subsequent_indent="      ")


def _then(reading: Reading) -> list[str]:
    return [
        "manage.py migrate makes the tables; manage.py check, and your own tests, say what is left.",
        _UNTIL,
        'JWT_AUTH["SIMPLEJWT"]["ACCEPT_UNTIL"] is calculated from today: set it again on the day of the deployment.',
        "Deploy all processes at once: a process that still runs simplejwt refuses the new tokens.",
        *(
            f"{path.relative_to(reading.root)}:{line}: add django-revocable-jwt; remove simplejwt when --check says so."
            for path, line in prerequisites.simplejwt_in_lists(reading.root)
        ),
    ]


def left(reading: Reading) -> Iterator[str]:
    """Yield what is left to do by hand; line numbers are those before the changes."""
    yield from _section("Before you go on", list(prerequisites.problems(reading.root, reading.values)))
    yield from _section("Decide", [*_where(reading), *reading.written.notices])
    places = [f"{place.path.relative_to(reading.root)}:{place.line}: {place.advice}" for place in reading.by_hand()]
    unread = [f"{path.relative_to(reading.root)} can't be read: {error}" for path, error in reading.unread]
    yield from _section("Look at, by the former numbers of the lines", [*places, *unread])
    yield from _section("What your tests may notice", TESTS)
    yield from _section("Then", _then(reading))
