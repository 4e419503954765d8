"""
Device names: the browser and the system in a User-Agent, without their versions.

The names are for people to read. They come from the client, and prove nothing. With the extra `devices`
(ua-parser) they are short, such as "Firefox on Linux"; without it the User-Agent itself is the name.
"""

from functools import cache
from typing import Any

from jwt_auth.process.lru import LRUCache

# A User-Agent takes a quarter of a millisecond to parse, and there are few different ones.
_names: LRUCache[str, str] = LRUCache(1024)


def name_of(user_agent: str) -> str:
    """Return a name for the kind of device, the same for all versions of its software; "" if there is none."""
    parser = _parser()
    if parser is None or not user_agent:
        return user_agent
    name = _names.get(user_agent)
    if name is None:
        name = _parsed(parser, user_agent)
        _names.put(user_agent, name)
    return name


def _parsed(parser: Any, user_agent: str) -> str:
    found = parser.parse(user_agent)
    parts = [part.family for part in (found.user_agent, found.os) if part is not None]
    return " on ".join(parts) or user_agent


@cache
def _parser() -> Any:
    try:
        import ua_parser
    except ImportError:
        return None
    return ua_parser
