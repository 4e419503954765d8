"""
The places in a project's code that name simplejwt, each with its replacement. They are found in syntax trees.
"""

import ast
import re
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path

from jwt_auth.conf.former import RULES
from jwt_auth.contrib.simplejwt.moving.files import ProjectFile, lines_of
from jwt_auth.contrib.simplejwt.moving.settings import PACKAGE, assigned

# The package whose modules have the names of simplejwt's.
OURS = "jwt_auth.contrib.simplejwt"

# The modules that both packages have.
_MODULES = ("authentication", "exceptions", "serializers", "tokens", "views")

# Advice for names that OURS does not have.
ADVICE = {
    "SlidingToken": "There are no sliding tokens: give a browser cookies (jwt_auth.browser_urls).",
    "TokenObtainSlidingView": "There are no sliding tokens: use TokenObtainPairView, or cookies.",
    "TokenRefreshSlidingView": "There are no sliding tokens: use TokenRefreshView, or cookies.",
    "OutstandingToken": "It has no new tokens: a loop over it signs nobody out. revoke_user(user) does; "
    "UserSession has one row for each sign-in.",
    "BlacklistedToken": "A row ends no new token: sessions.end(token), or revoke_user(user), does.",
    "TokenUser": 'REVOCATION = "memory" needs no query either, and has real users.',
    "JWTStatelessUserAuthentication": 'JWTAuthentication with REVOCATION = "memory" needs no query either.',
    "JWTTokenUserAuthentication": 'JWTAuthentication with REVOCATION = "memory" needs no query either.',
    "api_settings": "jwt_auth.conf.get_settings() has the settings in force.",
    "token_backend": "verification.verify(raw) verifies a token, and sessions.start(user) issues one.",
    "TokenBackend": "verification.verify(raw) verifies a token, and sessions.start(user) issues one.",
    "TokenBackendError": "verification.verify(raw) raises jwt_auth.exceptions.InvalidTokenError.",
    "aware_utcnow": "django.utils.timezone.now() is the same.",
    "datetime_from_epoch": "datetime.fromtimestamp(seconds, tz=timezone.utc) is the same.",
    "datetime_to_epoch": "int(moment.timestamp()) is the same.",
    "get_md5_hash_password": "The session stores which password it began with, so no token has a hash of it.",
    "User": "django.contrib.auth.get_user_model() is the same.",
    "*": "Name what is imported.",
}
_NO_ADVICE = "This app has nothing of this name: look at what the code needs it for."
_COMMENT = "Split this import: it has comments, and only some of its names have a replacement."
_FORMATTED = "This string is built at run time: look at what it names."
_PYJWT = (
    "For tokens of this server: verification.verify(raw) reads one, and sessions.start(user) issues one. "
    "The HMAC key is not SECRET_KEY itself, and each token has an `aud`."
)
_TABLES = "This needs simplejwt's tables: remove it before you drop them."
_READ = "This still reads SIMPLE_JWT: read JWT_AUTH, or jwt_auth.conf.get_settings()."
_OVERRIDE = "This reads or changes SIMPLE_JWT: do the same with JWT_AUTH, if it has the setting."

# Settings that JWT_AUTH has in any case.
_CARRIED = {"ACCESS_TOKEN_LIFETIME": "ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME": "SESSION_IDLE_TIMEOUT"}

_SETTING = re.compile(r"""(?s)(?P<object>[\w.\s()]*\.)SIMPLE_JWT(?P<how>\[['"]|\.get\(['"])(?P<name>\w+)['"]""")

# URLs of packages that issue tokens of simplejwt, and their replacement here.
_DJOSER, _OF_DJOSER = "djoser.urls.jwt", "jwt_auth.contrib.djoser.urls"
_DJ_REST_AUTH = {
    "dj_rest_auth.urls": "jwt_auth.contrib.dj_rest_auth.urls",
    "dj_rest_auth.registration.urls": "jwt_auth.contrib.dj_rest_auth.registration_urls",
}

_APPS = (PACKAGE, f"{PACKAGE}.token_blacklist")
_LABEL = "token_blacklist"
_PYJWT_NAMES = ("decode", "encode")


class Handling(Enum):
    """The way in which a place is handled."""

    CHANGES = "changes"
    PART = "changes in part"
    DECIDE = "for you to look at"
    SETTING = "names SIMPLE_JWT, for you to look at"
    PYJWT = "reads or makes tokens by PyJWT, for you to look at"
    STAYS = "stays for now"
    OWN = "stays"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """
    One place in a file.

    Args:
        start, end: the first and the last character, as offsets in the text.
        line: the number of the line, from 1.
        old: the text of the place.
        new: what it becomes; None if the command does not change it.
        advice: what to do, or why nothing is to be done now.
    """

    path: Path
    start: int
    end: int
    line: int
    old: str
    kind: Handling
    new: str | None = None
    advice: str = ""

    @property
    def needs_a_person(self) -> bool:
        return self.kind not in (Handling.CHANGES, Handling.STAYS, Handling.OWN)

    @property
    def needs_the_package(self) -> bool:
        """True for code that fails without simplejwt."""
        return self.kind in (Handling.CHANGES, Handling.PART, Handling.DECIDE)


def names_in(module: str) -> frozenset[str]:
    """Return the names that our module has in the place of `module`, a module of simplejwt; none if there is none."""
    if module == PACKAGE:
        return frozenset(name for name in _MODULES if names_in(f"{PACKAGE}.{name}"))
    name = module.removeprefix(f"{PACKAGE}.")
    return frozenset(vars(import_module(f"{OURS}.{name}"))) if name in _MODULES else frozenset()


def places_in(source: ProjectFile) -> list[Mention]:
    """
    Return the places of a file, in the order of the text.

    Raises:
        SyntaxError, ValueError, RecursionError: if this version of Python can't parse it.
    """
    if not any(word in source.text for word in (PACKAGE, "SIMPLE_JWT", _LABEL, "jwt", "dj_rest_auth.")):
        return []
    reader = _Reader(source)
    reader.visit(ast.parse(source.text))
    return sorted(reader.places, key=lambda place: place.start)


class _Reader(ast.NodeVisitor):
    def __init__(self, source: ProjectFile) -> None:
        self.places: list[Mention] = []
        self._source, self._text = source, source.text
        self._modules: dict[str, str] = {}  # names that stand for a module of simplejwt
        self._pyjwt: set[str] = set()  # names that stand for PyJWT
        self._lines = [0]
        lines = lines_of(source.text)
        for line in lines:
            self._lines.append(self._lines[-1] + len(line))
        # Columns of a syntax tree count bytes.
        self._bytes = [line.encode() for line in lines]

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + len(self._bytes[line - 1][:column].decode())

    def _span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        start = self._offset(node.lineno, node.col_offset)
        return start, self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _note(
        self,
        node: ast.expr | ast.stmt | ast.keyword,
        kind: Handling,
        *,
        new: str | None = None,
        advice: str = "",
        length: int | None = None,
    ) -> None:
        """Note a node as a place, or its first `length` characters."""
        start, end = self._span(node)
        end = end if length is None else start + length
        self.places.append(
            Mention(
                path=self._source.path,
                start=start,
                end=end,
                line=node.lineno,
                old=self._text[start:end],
                kind=kind,
                new=new,
                advice=advice,
            )
        )

    def visit_Assign(self, node: ast.Assign) -> None:
        self._visit_assignment(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_assignment(node)

    def _visit_assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        if assigned(node) != "SIMPLE_JWT":  # which simplejwt reads as long as its tokens are accepted
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "SIMPLE_JWT":  # beside its assignment: SIMPLE_JWT["..."] = ..., SIMPLE_JWT.update(...)
            self._note(node, Handling.SETTING, advice=_OVERRIDE)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg == "SIMPLE_JWT":
            self._note(
                node,
                Handling.SETTING,
                advice="A test that overrides SIMPLE_JWT has no effect here: override JWT_AUTH.",
                length=len(node.arg),  # its value may have a key
            )
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not self._is_setting(node, node.value):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not self._is_setting(node, getattr(node.func, "value", None)):
            self.visit(node.func)
        for argument in (*node.args, *node.keywords):
            self.visit(argument)

    def _is_setting(self, node: ast.expr, of: ast.expr | None) -> bool:
        """
        Return whether an expression is noted: `settings.SIMPLE_JWT["NAME"]`, or `.get("NAME", ...)`, if JWT_AUTH has
        the setting in any case, or if the name is the project's own.
        """
        start, end = self._span(node)
        read = _SETTING.match(self._text[start:end]) if getattr(of, "attr", "") == "SIMPLE_JWT" else None
        if read is None or (read["name"] in RULES and read["name"] not in _CARRIED):
            return False
        if name := _CARRIED.get(read["name"]):
            new = f"{read['object']}JWT_AUTH{read['how']}{name}"
            self._note(node, Handling.CHANGES, new=new, length=read.end("name"))
        else:
            self._note(node, Handling.OWN, advice="A name of your own stays in SIMPLE_JWT.")
        return True

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "SIMPLE_JWT":
            self._note(node, Handling.SETTING, advice=_READ)
        if isinstance(node.value, ast.Name) and node.value.id in self._pyjwt and node.attr in _PYJWT_NAMES:
            self._note(node, Handling.PYJWT, advice=_PYJWT)
        module = self._modules.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if module is not None and node.attr not in names_in(module):
            self._note(node, Handling.DECIDE, advice=ADVICE.get(node.attr, _NO_ADVICE))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self._pyjwt |= {alias.asname or alias.name for alias in node.names if alias.name == "jwt"}
        theirs = [alias for alias in node.names if _is_of_package(alias.name)]
        if len(node.names) == 1 and theirs and theirs[0].asname and names_in(theirs[0].name):
            self._modules[theirs[0].asname] = theirs[0].name
            self._note(node, Handling.CHANGES, new=f"import {_ours(theirs[0].name)} as {theirs[0].asname}")
        elif theirs:
            self._note(node, Handling.DECIDE, advice=f"Import the names from {OURS}.")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if module == "jwt" and not node.level and any(alias.name in _PYJWT_NAMES for alias in node.names):
            self._note(node, Handling.PYJWT, advice=_PYJWT)
        if node.level or not _is_of_package(module):
            return
        ours = names_in(module)
        moved = [alias for alias in node.names if alias.name in ours]
        left = [alias for alias in node.names if alias.name not in ours]
        if module == PACKAGE:
            self._modules |= {alias.asname or alias.name: f"{PACKAGE}.{alias.name}" for alias in moved}
        advice = " ".join(dict.fromkeys(f"{alias.name}: {ADVICE.get(alias.name, _NO_ADVICE)}" for alias in left))
        start, end = self._span(node)
        old = self._text[start:end]
        if not moved:
            self._note(node, Handling.DECIDE, advice=advice)
        elif not left and module in old:  # a comment, and the form of the statement, stay as they are
            self._note(node, Handling.CHANGES, new=old.replace(module, _ours(module), 1))
        elif "#" in old:
            self._note(node, Handling.DECIDE, advice=f"{_COMMENT} {advice}".rstrip())
        else:
            kind = Handling.PART if left else Handling.CHANGES
            self._note(node, kind, new=self._split(start, module, moved, left), advice=advice)

    def _split(self, start: int, module: str, moved: list[ast.alias], left: list[ast.alias]) -> str:
        """Return the imports that stand in the place of one, of which only some names move."""
        lines = [_import(_ours(module), moved), *([_import(module, left)] if left else [])]
        before = re.split(r"[\r\n]", self._text[:start])[-1]
        is_continued = self._text[: start - len(before)].endswith(("\\\n", "\\\r\n", "\\\r"))
        return "; ".join(lines) if before.strip() or is_continued else f"{self._source.newline}{before}".join(lines)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Note the whole of an f-string: its parts have no places of their own before Python 3.12."""
        inside = list(ast.walk(node))
        if any(isinstance(part, ast.Constant) and PACKAGE in str(part.value) for part in inside):
            self._note(node, Handling.DECIDE, advice=_FORMATTED)
        elif any("SIMPLE_JWT" in (getattr(part, "attr", ""), getattr(part, "id", "")) for part in inside):
            self._note(node, Handling.SETTING, advice=_READ)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        values = [part.value for part in node.elts if isinstance(part, ast.Constant)]
        if len(values) == 2 and values[0] == _LABEL:  # the dependency of a migration
            self._note(node, Handling.DECIDE, advice=_TABLES)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if not isinstance(value, str):
            return
        if value in _APPS:
            self._note(node, Handling.STAYS, advice="Stays as long as former tokens are accepted.")
        elif value == "SIMPLE_JWT":
            self._note(node, Handling.SETTING, advice=_OVERRIDE)
        elif value.startswith(f"{_LABEL}.") and value.count(".") == 1:  # the model of a foreign key
            self._note(node, Handling.DECIDE, advice=_TABLES)
        elif value == _DJOSER:
            self._note(node, Handling.CHANGES, new=f"{self._quote(node)}{_OF_DJOSER}{self._quote(node)}")
        elif value in _DJ_REST_AUTH:
            advice = f"With USE_JWT, simplejwt issues its tokens: include {_DJ_REST_AUTH[value]}."
            self._note(node, Handling.DECIDE, advice=advice)
        elif _is_of_package(value):
            self._visit_path(node, value)

    def _quote(self, node: ast.Constant) -> str:
        start, end = self._span(node)
        return "'" if "'" in self._text[start:end] else '"'

    def _visit_path(self, node: ast.Constant, path: str) -> None:
        """Note a dotted path: of a module, a class, or an attribute of one, as in `mock.patch`."""
        module, name = _divided(path)
        if name in names_in(module):
            quote = self._quote(node)
            self._note(node, Handling.CHANGES, new=f"{quote}{_ours(path)}{quote}")
        else:
            self._note(node, Handling.DECIDE, advice=ADVICE.get(name, _NO_ADVICE))


def _divided(path: str) -> tuple[str, str]:
    """Return the module of simplejwt in a dotted path, and the first name behind it."""
    first, *others = path.removeprefix(f"{PACKAGE}.").split(".")
    if others and first in _MODULES:
        return f"{PACKAGE}.{first}", others[0]
    return PACKAGE, ([first, *others])[-1]


def _ours(path: str) -> str:
    return OURS + path.removeprefix(PACKAGE)


def _is_of_package(name: str) -> bool:
    return re.fullmatch(rf"{PACKAGE}(\.\w+)*", name) is not None


def _import(module: str, aliases: list[ast.alias]) -> str:
    names = [alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in aliases]
    return f"from {module} import {', '.join(names)}"
