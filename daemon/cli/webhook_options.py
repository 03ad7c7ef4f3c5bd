"""The options of a webhook on the command line: how they are given, and how they are shown."""

from enum import StrEnum
from typing import Annotated, Any

from daemon.cli.declared import option
from daemon.cli.filters import filter_lines
from daemon.cli.header_options import header_lines
from daemon.cli.retry_options import retry_lines
from daemon.cli.way_out_options import way_out_lines
from daemon.domain.signature_schemes import SignatureScheme


class OptionName(StrEnum):
    """What `--reset` takes: the options of a webhook, by their names in the API."""

    TIMEOUT = "timeoutS"
    SIGNATURE_SCHEME = "signatureScheme"
    RETRIES = "retrySchedule"
    JITTER = "retryJitter"
    RETRY_AFTER = "retryAfter"
    GONE = "disableOnGone"
    PACE = "maxPerSecond"
    WHILE_RETRYING = "whileRetrying"
    CONCURRENCY = "concurrency"
    IP_VERSION = "ipVersion"
    PROXY = "proxy"
    CLIENT_CERTIFICATE = "clientCertificate"
    CA_CERTIFICATES = "caCertificates"
    HEADERS = "headers"
    FILTER = "filter"


Timeout = Annotated[
    float | None,
    option("--timeout", metavar="SECONDS", min=1, max=30, help="How many seconds an attempt may take."),
]
Scheme = Annotated[
    SignatureScheme | None,
    option("--signature-scheme", help="Sign with the secret (hmac), a key pair (ed25519), or both."),
]
Reset = Annotated[
    list[OptionName] | None,
    option("--reset", help="Set an option back to its default. May be repeated."),
]


def reset_options(names: list[OptionName] | None) -> dict[str, None]:
    """Return what sets these options back, as the API takes it."""
    return {name.value: None for name in names or ()}


def option_lines(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a line for each option that is not as usual."""
    timeout_s, scheme = webhook.get("timeoutS"), webhook.get("signatureScheme")
    lines = [
        ("timeout in seconds", timeout_s),
        ("signature scheme", None if scheme == SignatureScheme.HMAC else scheme),
        ("public key", webhook.get("publicKey")),
    ]
    chosen = [(name, value) for name, value in lines if value is not None]
    return chosen + retry_lines(webhook) + way_out_lines(webhook) + header_lines(webhook) + filter_lines(webhook)
