"""The address of a PostgreSQL database as settings write it: a URL of libpq, and the same without its password.

What its parameters mean is libpq's to say, when the database is opened.
"""

import re

_SCHEMES = ("postgresql://", "postgres://")
_PARAMETER = re.compile(r"([?&](?:ssl)?password=)[^&\s'\"]*")


def require_database_url(value: str) -> str:
    """Return it. Raises ValueError for anything but a URL of PostgreSQL, or nothing."""
    if not value:
        return value
    if not value.startswith(_SCHEMES):
        raise ValueError('expected a URL such as "postgresql://user@host:5432/database?sslmode=verify-full", or ""')
    if not value.isprintable() or " " in value:
        raise ValueError("expected a URL without white space and control characters: write them as %20 and the like")
    if "/" in value.partition("://")[2].rpartition("@")[0]:
        raise ValueError("expected no / before an @: write those of a password or of a parameter as %2F and %40")
    return value


def without_password(text: str) -> str:
    """Return a text, which may be a URL with mistakes, with what may be a password in it as `***`."""
    scheme, separator, rest = text.partition("://")
    login, at, behind = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = f"{scheme}{separator}{user}{colon}{'***' if colon else ''}{at}{behind}"
    return _PARAMETER.sub(r"\1***", shown)
