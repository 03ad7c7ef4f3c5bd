"""Errors of outgoing requests, as httpx exceptions: each message is one sentence for the user.

The webhook's team sees the sentences: none contains an address of ours, or one that a name resolved to.
"""

import errno
import ssl

import httpx

# This machine is out of something: not the receiver's fault.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# Caused by the receiver, and shown to the team; others, such as those of a firewall of ours, go to the log only.
_CAUSED_BY_RECEIVER = {errno.ECONNREFUSED: "connection refused", errno.ECONNRESET: "connection reset by peer"}
# Alerts about the certificate that we show, or do not (RFC 8446, 6.2), as OpenSSL names them.
_ALERTS_ABOUT_CERTIFICATE = (
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "CERTIFICATE_REQUIRED",
    "DECRYPT_ERROR",
)
# What TLS 1.2 has instead of some of them: meant is the certificate if it comes after our second flight, which has it.
_ALERT_OF_OLDER_TLS = "HANDSHAKE_FAILURE"
# Faults of our OpenSSL, not of what the receiver sent.
_CAUSED_BY_OPENSSL = ("INTERNAL_ERROR", "MALLOC_FAILURE")


def public_reason(error: OSError) -> str | None:
    """Return why a connection failed, as the webhook's team may see it; None if the cause may be on our side."""
    if isinstance(error, ssl.SSLError):
        known = error.library == "SSL" and error.reason is not None and error.reason not in _CAUSED_BY_OPENSSL
        return error.reason.lower().replace("_", " ") if known else None
    return _CAUSED_BY_RECEIVER.get(error.errno or 0)


def refused_certificate(error: ssl.SSLError, shows_certificate: bool, *, has_answered: bool = False) -> str | None:
    """Return how the receiver refuses our certificate, or that we have none; None if the error is another one.

    `has_answered` says that the handshake had come so far that the receiver had ours, if it asked for one.
    """
    alert = (error.reason or "").partition("_ALERT_")[2]
    is_older = alert == _ALERT_OF_OLDER_TLS and has_answered
    if alert not in _ALERTS_ABOUT_CERTIFICATE and not is_older:
        return None
    reason = alert.lower().replace("_", " ")
    if shows_certificate:
        return f"the receiver refuses the webhook's client certificate ({reason})"
    is_missed = is_older or alert == "CERTIFICATE_REQUIRED"
    return f"the receiver wants a client certificate, and the webhook has none ({reason})" if is_missed else None


def is_shortage(error: OSError) -> bool:
    """Whether this machine is short of descriptors or memory."""
    return error.errno in _SHORTAGES


class DeadlinePassed(Exception):
    """The deadline came before the response was complete. None of httpx's: no other connection is tried."""


class EgressError(httpx.ConnectError):
    """Base class. `detail` is for the operator's log only: addresses, or None if there is nothing to add."""

    def __init__(self, sentence: str, detail: str | None = None) -> None:
        super().__init__(sentence)
        self.detail = detail


class DnsError(EgressError):
    """The host's name could not be resolved."""


class NotConnected(EgressError):
    """No address of the host accepted the connection."""


class TlsError(EgressError):
    """The TLS handshake failed, or the certificate is not valid for the host."""


class ProxyFailed(EgressError):
    """A proxy is itself at fault: it cannot be reached, refuses the login, or does not answer as a proxy does.

    The receiver is not to blame. Neither is the webhook if the proxy `is_operators`.
    """

    def __init__(self, sentence: str, detail: str | None = None, *, is_operators: bool) -> None:
        super().__init__(sentence, detail)
        self.is_operators = is_operators


class OutOfDescriptors(EgressError):
    """This machine is out of sockets: not the receiver's fault."""


def out_of_descriptors() -> OutOfDescriptors:
    """Return the error for what needed one more."""
    return OutOfDescriptors("the daemon is out of sockets")


class NoLookupSlot(EgressError):
    """All slots for lookups are taken: not the receiver's fault."""


class NotPermitted(EgressError):
    """This process may not send now: others may be sending in its place. Not the receiver's fault."""


class ConnectionBroken(httpx.ReadError):
    """The connection broke before the response was complete. `detail` is for the operator's log only."""

    def __init__(self, sentence: str, detail: str) -> None:
        super().__init__(sentence)
        self.detail = detail


class BlockedAddress(EgressError):
    """The egress rules forbid the URL or an address of its host; no connection was opened."""
