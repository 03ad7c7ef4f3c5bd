"""The options of a webhook in its form: read as the API takes them, which says what is wrong with them."""

from collections.abc import Mapping
from typing import Any

from api.console.pages.headers_form import header_facts, read_headers
from api.console.pages.retry_options_form import RETRY_MISTAKES, read_retries, retry_facts
from api.console.pages.way_out_form import WAY_OUT_MISTAKES, read_way_out, way_out_facts
from api.console.session.forms import Form
from api.routes.webhook_options import shown_options
from daemon.domain.model import Webhook
from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.webhook_options import DEFAULT_OPTIONS
from daemon.handles import Handles

_DEFAULTS = shown_options(DEFAULT_OPTIONS).model_dump(by_alias=True)
# What is said where the API's own words are for programs.
OPTION_MISTAKES = {"timeoutS": "Enter 1 to 30 seconds, or leave it empty.", **RETRY_MISTAKES, **WAY_OUT_MISTAKES}
# The schemes of the form, and how they are called there.
SCHEMES = {
    SignatureScheme.HMAC: "With the secret (HMAC)",
    SignatureScheme.ED25519: "With a key pair (ed25519)",
    SignatureScheme.BOTH: "With both",
}


def read_options(form: Form) -> Mapping[str, Any]:
    """Return the options that the form has, by their names in the API; others stay as they are."""
    numbers = ("timeoutS", "maxPerSecond")
    typed = {name: _number(form.text(name)) for name in numbers if form.has(name)}
    scheme = {"signatureScheme": form.text("signatureScheme")} if form.has("signatureScheme") else {}
    condition = {"filter": form.text("filter") or None} if form.has("filter") else {}
    return {**typed, **scheme, **condition, **read_retries(form), **read_way_out(form), **read_headers(form)}


def options_of(webhook: Webhook) -> Mapping[str, Any]:
    """Return the options that a webhook has, by the same names."""
    return shown_options(webhook.options).model_dump(by_alias=True)


def is_chosen(name: str, value: Any) -> bool:
    """Whether this value of an option, named as in the API, is another one than its default."""
    return value is not None and value != _DEFAULTS.get(name)


def option_facts(webhook: Webhook) -> list[tuple[str, str]]:
    """Return what the webhook's page says of each option that is not as usual: its name and its value."""
    timeout_s, scheme = webhook.options.timeout_s, webhook.options.signature_scheme
    facts = [] if timeout_s is None else [("Timeout", f"{timeout_s:g} seconds")]
    if scheme is not SignatureScheme.HMAC:
        facts.append(("Signature", SCHEMES[scheme]))
    if webhook.options.filter is not None:
        facts.append(("Filter", webhook.options.filter))
    return facts + retry_facts(webhook.options) + way_out_facts(webhook.options) + header_facts(webhook.options)


def failure_facts(handles: Handles, webhook: Webhook) -> list[tuple[str, str]]:
    """Return what the webhook's page says of its filter if that failed on this node."""
    failures = handles.filter_failures(webhook.id, webhook.options.filter)
    if failures is None:
        return []
    times = "once" if failures.count == 1 else f"{failures.count:,} times"
    return [("Filter failed", f"{times}, and took nothing: {failures.last_error}.")]


def shown_number(value: Any) -> str:
    """Return how a field shows a number, or what was typed instead of one."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(typed: str) -> float | str | None:
    """Return the number, None for an empty field; what is not one is refused by the API."""
    try:
        return float(typed) if typed else None
    except ValueError:
        return typed
