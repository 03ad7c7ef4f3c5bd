"""Headers of a webhook's own, sent with each of its attempts: which ones may be, and how an edit keeps secret ones.

Contract "Options of a webhook".
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from msgspec import Struct, structs

from daemon.domain.sealed import Sealed

MOST_HEADERS = 20
MOST_HEADER_BYTES = 4096
# What is shown of a secret value.
HIDDEN = "•••"

# RFC 9110: a token (5.6.2); a field's value (5.5) without what is no ASCII, which receivers read differently.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
# What frames the message, belongs to one connection (RFC 9110, 7.6.1), or is the daemon's word.
_RESERVED = frozenset(
    {
        *("accept", "connection", "date", "expect", "host", "http2-settings", "keep-alive", "te", "trailer"),
        *("traceparent", "tracestate", "transfer-encoding", "upgrade", "user-agent", "via"),
    }
)
_RESERVED_BEGINNINGS = ("accept-", "content-", "proxy-", "webhook-", "x-kakiyo-")
_CREDENTIALS = frozenset({"authorization", "cookie"})


class CustomHeader(Struct, frozen=True, omit_defaults=True):
    """One header. The value of a `secret` one is kept sealed; in an edit, None keeps the one that is stored."""

    name: str
    value: str | Sealed | None = None
    secret: bool = False


def check_name(name: str) -> None:
    """Raise ValueError, in one sentence, for what is no header's name, or one that is not for webhooks to choose."""
    if not _NAME.fullmatch(name):
        raise ValueError("a header's name has letters, digits and any of !#$%&'*+-.^_`|~ alone: correct it")
    lowered = name.lower()
    if lowered in _RESERVED or lowered.startswith(_RESERVED_BEGINNINGS):
        raise ValueError("this header is set by HTTP or by the daemon itself: choose another name")


def check_value(value: str) -> None:
    """Raise ValueError, in one sentence that does not repeat it, for a value that cannot be sent as it is."""
    if not _VALUE.fullmatch(value):
        raise ValueError("expected visible ASCII characters, with spaces and tabs only between them")


def is_secret_by_default(name: str) -> bool:
    """Whether this header carries credentials, and so is secret unless the contrary is said."""
    return name.lower() in _CREDENTIALS


def repeated_names(names: Iterable[str]) -> list[int]:
    """Return the places of names that stood there before, in whatever case."""
    seen: set[str] = set()
    places = []
    for place, name in enumerate(names):
        if name.lower() in seen:
            places.append(place)
        seen.add(name.lower())
    return places


def stored_secret(headers: Iterable[CustomHeader], name: str) -> Sealed | None:
    """Return the secret value that is stored under this name, if there is one."""
    for header in headers:
        if header.name.lower() == name.lower() and isinstance(header.value, Sealed):
            return header.value
    return None


def with_kept_values(given: Iterable[CustomHeader], stored: tuple[CustomHeader, ...]) -> tuple[CustomHeader, ...]:
    """Return the headers of an edit, those without a value with the stored one.

    One that another edit has removed in the meantime is left out: there is nothing to send.
    """
    kept = (
        header if header.value is not None else structs.replace(header, value=stored_secret(stored, header.name))
        for header in given
    )
    return tuple(header for header in kept if header.value is not None)


def with_sealed_values(headers: tuple[CustomHeader, ...], seal: Callable[[str], str]) -> tuple[CustomHeader, ...]:
    """Return the headers with the plain values of secret ones sealed."""
    return tuple(
        structs.replace(header, value=Sealed(seal(header.value)))
        if header.secret and isinstance(header.value, str)
        else header
        for header in headers
    )


def without_secrets_of(headers: tuple[CustomHeader, ...], stored: tuple[CustomHeader, ...]) -> tuple[CustomHeader, ...]:
    """Return the headers without the secret values that are stored: they stay with the receiver that they are for."""
    values = {header.value for header in stored if header.secret}
    return tuple(header for header in headers if not (header.secret and header.value in values))


def is_another_receiver(before: str, url: str) -> bool:
    """Whether a URL leads to another scheme, host or port: what is secret was given for the one before."""
    return _origin(before) != _origin(url)


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:  # it is refused for that elsewhere
        return "", url
    return parts.scheme.lower(), parts.netloc.lower()
