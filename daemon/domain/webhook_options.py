"""What a webhook may have of its own, each a choice: the defaults are what all webhooks do (contract "HTTP API").

Options are kept as one JSON text, by their names in the API, without those that are as usual: a further one needs no
migration. What is secret in them is sealed for its webhook, like its secret (`daemon.crypto.vault`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, structs

from daemon.domain.certificates import ClientCertificate, OwnAuthorities, as_told
from daemon.domain.custom_headers import CustomHeader, is_another_receiver, with_kept_values, without_secrets_of
from daemon.domain.key_pairs import SigningKeys
from daemon.domain.retries import Jitter, NamedSchedule, WhileRetrying
from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.way_out_options import IpVersion, ProxyOption, with_password_kept


class WebhookOptions(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """All options of a webhook.

    `timeout_s` is how many seconds an attempt may take, None for those of the settings. `retry_schedule` is when
    retries are made, by its name or as seconds before each, None for that of the settings; `retry_jitter` by how much
    chance changes that. `retry_after` follows that field of a response, `disable_on_gone` takes 410 for the end. At
    most `max_per_second` attempts begin in a second, evenly spaced, None for any number. `while_retrying` says what the
    others do while a delivery waits for its retry. `signature_scheme` says with what deliveries are signed;
    `signing_keys` are made by the daemon when a scheme first needs them, and stay. `ip_version` is the only family of
    addresses to connect to, and `proxy` is used before that of the settings. `headers` are sent with each attempt.
    `client_certificate` is shown to receivers that ask for one; `ca_certificates` vouch for the receiver, instead of
    the system's authorities.
    `filter` says which events of the subscribed types it gets (`daemon.filters.language`), None for all.
    """

    timeout_s: float | None = None
    signature_scheme: SignatureScheme = SignatureScheme.HMAC
    signing_keys: SigningKeys | None = None
    retry_schedule: NamedSchedule | tuple[float, ...] | None = None
    retry_jitter: Jitter | None = None
    retry_after: bool = False
    disable_on_gone: bool = False
    max_per_second: float | None = None
    while_retrying: WhileRetrying = WhileRetrying.HOLD
    concurrency: int = 1
    ip_version: IpVersion | None = None
    proxy: ProxyOption | None = None
    client_certificate: ClientCertificate | None = None
    ca_certificates: OwnAuthorities | None = None
    filter: str | None = None
    headers: tuple[CustomHeader, ...] = ()


# One in 100 seconds, and more than a webhook can get one after the other.
LEAST_PER_SECOND, MOST_PER_SECOND = 0.01, 1_000
# More connections at once than most receivers mean to serve, and few enough that one webhook takes no team's share.
MOST_AT_ONCE = 32

DEFAULT_OPTIONS = WebhookOptions()
# By their names in the API.
_CERTIFICATES = frozenset({"clientCertificate", "caCertificates"})


def options_to_text(options: WebhookOptions) -> str | None:
    """Return what is kept of them, None if all are as usual."""
    return None if options == DEFAULT_OPTIONS else msgspec.json.encode(options).decode()


def options_from_text(text: str | None) -> WebhookOptions:
    """Return what was kept. Raises ValueError for what `options_to_text` never returns."""
    return DEFAULT_OPTIONS if text is None else msgspec.json.decode(text, type=WebhookOptions)


def are_options(value: Any) -> bool:
    """Whether this JSON value is that of a webhook's options."""
    try:
        msgspec.convert(value, WebhookOptions)
    except msgspec.ValidationError:
        return False
    return True


def with_changed(
    options: WebhookOptions, given: WebhookOptions, names: tuple[str, ...], *, urls: tuple[str, str] = ("", "")
) -> WebhookOptions:
    """Return the options with these attributes of those that were given, the others as they are.

    Signing keys are those that there are, or else the new ones that a scheme came with. If the second of
    the `urls`, before and after the edit, leads to another receiver, that one gets no secret header from before.
    """
    changed = structs.replace(options, **{name: getattr(given, name) for name in names})
    if "proxy" in names:
        changed = structs.replace(changed, proxy=with_password_kept(options.proxy, given.proxy))
    if "signature_scheme" in names:
        changed = structs.replace(changed, signing_keys=options.signing_keys or given.signing_keys)
    if "headers" in names:
        changed = structs.replace(changed, headers=with_kept_values(given.headers, options.headers))
    if is_another_receiver(*urls):
        changed = structs.replace(changed, headers=without_secrets_of(changed.headers, options.headers))
    return changed


def sealed_parts(options: WebhookOptions) -> list[str]:
    """Return everything in them that is sealed."""
    return [] if options is DEFAULT_OPTIONS else list(_sealed_in(msgspec.to_builtins(options)))


def _sealed_in(value: Any) -> Iterator[str]:
    if _is_sealed(value):
        yield value["sealed"]
        return
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _sealed_in(inner)


def with_sealed(options: WebhookOptions, renew: Callable[[str], str]) -> WebhookOptions:
    """Return the options with `renew(sealed)` in place of everything that is sealed."""
    if not sealed_parts(options):
        return options
    return msgspec.convert(replace_sealed(msgspec.to_builtins(options), lambda text: {"sealed": renew(text)}),
                           WebhookOptions)  # fmt: skip


def replace_sealed(value: Any, other: Callable[[str], Any]) -> Any:
    """Return this JSON value with `other(sealed)` in place of everything that is sealed."""
    if _is_sealed(value):
        return other(value["sealed"])
    if isinstance(value, dict):
        return {name: replace_sealed(inner, other) for name, inner in value.items()}
    return [replace_sealed(inner, other) for inner in value] if isinstance(value, (list, tuple)) else value


def told_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return options (JSON, as they are kept) as the audit trail tells them.

    Of what is sealed it tells only that it is set, of certificates whose they are.
    """
    told = {name: as_told(value) if name in _CERTIFICATES else value for name, value in options.items()}
    shown: dict[str, Any] = replace_sealed(told, lambda _: "set")
    return shown


def _is_sealed(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"sealed"}
