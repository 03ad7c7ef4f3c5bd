"""Headers of a webhook's own in its form and on its page: one a line, secret ones apart, `Name: •••` once saved."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from api.console.session.forms import Form
from api.console.session.page_request import PageRequest
from api.http.errors import ApiError
from api.http.json_body import validate
from api.http.mistakes import Mistakes
from api.routes.header_options import HeaderFields, check_headers, is_moved
from daemon.domain.custom_headers import HIDDEN
from daemon.domain.model import Webhook
from daemon.domain.webhook_options import DEFAULT_OPTIONS, WebhookOptions

_PLAIN, _SECRET = "headers", "secretHeaders"
_PLACE = re.compile(r"\$\.headers\[([0-9]+)\]")


def read_headers(form: Form) -> Mapping[str, Any]:
    """Return the headers that the form has, as the API takes them."""
    if not form.has(_PLAIN):
        return {}
    plain = [{"name": name, "value": value} for name, value in _read(form.exact(_PLAIN))]
    secret = [
        {"name": name, "value": None if value in (HIDDEN, "") else value, "secret": True}
        for name, value in _read(form.exact(_SECRET))
    ]
    return {"headers": [*plain, *secret]}


def _read(typed: str) -> Iterable[tuple[str, str]]:
    for line in typed.splitlines():
        if line.strip():
            name, _, value = line.partition(":")
            yield name.strip(), value.strip()


def typed_headers(headers: Iterable[Mapping[str, Any]] | None, *, secret: bool) -> str:
    """Return what the field of the headers of this kind shows."""
    shown = [header for header in headers or () if header.get("secret", False) is secret]
    return "\n".join(f"{header['name']}: {HIDDEN if header['value'] is None else header['value']}" for header in shown)


def header_mistakes(
    request: PageRequest, options: Mapping[str, Any], *, url: str = "", webhook: Webhook | None = None
) -> Mapping[str, str]:
    """Return the mistakes in the headers, by field; what is secret stays with the URL that the `webhook` has."""
    given = {"headers": options["headers"]} if "headers" in options else {}
    found = Mistakes()
    stored = DEFAULT_OPTIONS if webhook is None else webhook.options
    try:
        fields = validate(given, HeaderFields, request.call.known)
        moves = webhook is not None and is_moved(webhook.url, url)
        check_headers(fields, found, stored=stored.headers, moves=moves)
        found.raise_if_any()
    except ApiError as error:
        return _by_field(error, given.get("headers", []))
    return {}


def _by_field(error: ApiError, headers: list[dict[str, Any]]) -> Mapping[str, str]:
    mistakes: dict[str, str] = {}
    for wrong in error.errors:
        place = _PLACE.match(wrong.path)
        if place is None:
            mistakes.setdefault(_PLAIN, f"{wrong.message[0].upper()}{wrong.message[1:]}.")
            continue
        header = headers[int(place[1])]
        mistakes.setdefault(_SECRET if header.get("secret") else _PLAIN, f"{header['name']}: {wrong.message}.")
    return mistakes


def header_facts(options: WebhookOptions) -> list[tuple[str, str]]:
    """Return what the webhook's page says of its headers."""
    if not options.headers:
        return []
    shown = (f"{each.name}: {each.value if isinstance(each.value, str) else HIDDEN}" for each in options.headers)
    return [("Headers", "; ".join(shown))]
