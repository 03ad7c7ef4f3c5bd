"""The headers of a webhook's own, as they go over the wire (contract "Options of a webhook")."""

from typing import Annotated

from pydantic import AfterValidator, Field

from api.http.errors import wrong_field
from api.http.mistakes import Mistakes
from api.http.wire import Input, Output
from daemon.crypto.vault import plain_length
from daemon.domain.custom_headers import (
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    CustomHeader,
    check_name,
    check_value,
    is_another_receiver,
    is_secret_by_default,
    repeated_names,
    stored_secret,
)
from daemon.domain.sealed import Sealed

_HEADERS = (
    f"Headers that each of its deliveries has: up to {MOST_HEADERS}, names and values up to 4 KiB in all, none that "
    "HTTP or the daemon sets."
)
_SECRET = "Whether its value is kept encrypted and never shown again."  # noqa: S105 — a description


def _checked_name(name: str) -> str:
    check_name(name)
    return name


def _checked_value(value: str) -> str:
    check_value(value)
    return value


class NewHeader(Input):
    """A header as a client sends it."""

    name: Annotated[str, AfterValidator(_checked_name)] = Field(
        min_length=1, max_length=256, description="Its name, a token of RFC 9110, unique without regard to case."
    )
    value: Annotated[str, AfterValidator(_checked_value)] | None = Field(
        default_factory=lambda: None,
        max_length=MOST_HEADER_BYTES,
        description="Its value, of visible ASCII characters. A secret one that is left out stays as it is.",
    )
    secret: bool | None = Field(
        default_factory=lambda: None, description=f"{_SECRET} Left out: true for `Authorization` and `Cookie` alone."
    )


class ShownHeader(Output):
    """A header as it is shown."""

    name: str = Field(description="Its name.")
    value: str | None = Field(description="Its value; null for a secret one.")
    secret: bool = Field(description=_SECRET)


class HeaderFields(Input):
    """The headers that a client may send."""

    headers: Annotated[list[NewHeader], Field(max_length=MOST_HEADERS)] | None = Field(
        default_factory=lambda: None, description=f"{_HEADERS} Those that are sent replace all. null: none."
    )


class ShownHeaders(Output):
    """The headers as they are shown."""

    headers: list[ShownHeader] = Field(description=_HEADERS)


HEADERS_EXAMPLE = {
    "headers": [
        {"name": "Authorization", "value": None, "secret": True},
        {"name": "X-Tenant", "value": "acme", "secret": False},
    ]
}


def given_headers(body: HeaderFields) -> tuple[CustomHeader, ...]:
    """Return the headers that the body means; what is secret is sealed by whoever keeps it."""
    return tuple(CustomHeader(each.name, each.value, _is_secret(each)) for each in body.headers or ())


def _is_secret(header: NewHeader) -> bool:
    """A header whose value is to stay is a secret one, unless the body says otherwise."""
    if header.secret is not None:
        return header.secret
    return header.value is None or is_secret_by_default(header.name)


def shown_headers(headers: tuple[CustomHeader, ...]) -> list[ShownHeader]:
    """Return what is shown of them."""
    return [
        ShownHeader(name=each.name, value=each.value if isinstance(each.value, str) else None, secret=each.secret)
        for each in headers
    ]


def check_headers(
    body: HeaderFields, mistakes: Mistakes, *, stored: tuple[CustomHeader, ...] = (), moves: bool = False
) -> None:
    """Note what is wrong with the headers beside those that are stored.

    If the edit `moves` the webhook to another receiver, no secret value can stay as it is.
    """
    if "headers" not in body.model_fields_set:
        if moves and any(header.secret for header in stored):
            mistakes.note(wrong_field("$.headers", _MOVES))
        return
    given = given_headers(body)
    for place in repeated_names(header.name for header in given):
        mistakes.note(wrong_field(f"$.headers[{place}].name", "stands in the list before: name each header once"))
    for place, header in enumerate(given):
        if header.value is None and (wrong := _wrong_without_value(header, stored, moves)):
            mistakes.note(wrong_field(f"$.headers[{place}].value", wrong))
    if sum(_length(header, stored) for header in given) > MOST_HEADER_BYTES:
        mistakes.note(wrong_field("$.headers", "names and values have more than 4 KiB in all: shorten them"))


_MOVES = (
    "secret values stay with the scheme, host and port that they were given for: send them again with the new URL, or "
    "leave these headers out"
)


def _wrong_without_value(header: CustomHeader, stored: tuple[CustomHeader, ...], moves: bool) -> str | None:
    if not header.secret:
        return "is missing: only a secret value stays when it is left out"
    if stored_secret(stored, header.name) is None:
        return "is missing: no secret value is kept under this name"
    return _MOVES if moves else None


def _length(header: CustomHeader, stored: tuple[CustomHeader, ...]) -> int:
    value = header.value if header.value is not None else stored_secret(stored, header.name)
    return len(header.name) + (plain_length(value.sealed) if isinstance(value, Sealed) else len(value or ""))


def is_moved(before: str, url: str) -> bool:
    """Whether this new URL ("" for none) leads to another receiver."""
    return bool(url) and is_another_receiver(before, url)
