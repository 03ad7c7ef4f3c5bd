"""What can go wrong before a request is sent, as httpx exceptions: each message is one sentence for a person.

The sentences are shown to the webhook's team: none names an address of ours or one that a name led to.
"""

import errno
import ssl

import httpx

# What this machine has too little of: no fault of a receiver's.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


# What a receiver does to a connection, and may be told of; the rest, such as a firewall of ours, is for the log.
_OF_THE_RECEIVER = {errno.ECONNREFUSED: "connection refused", errno.ECONNRESET: "connection reset by peer"}
# Faults of OpenSSL itself, here, and not of what the receiver sent.
_OF_OPENSSL = ("INTERNAL_ERROR", "MALLOC_FAILURE")


def public_reason(error: OSError) -> str | None:
    """Return what the webhook's team may know of why a connection failed, None if the reason may be one of ours."""
    if isinstance(error, ssl.SSLError):
        known = error.library == "SSL" and error.reason is not None and error.reason not in _OF_OPENSSL
        return error.reason.lower().replace("_", " ") if known else None
    return _OF_THE_RECEIVER.get(error.errno or 0)


def is_shortage(error: OSError) -> bool:
    """Whether this machine is short of descriptors or memory."""
    return error.errno in _SHORTAGES


class DeadlinePassed(Exception):
    """The deadline came before the response was complete. None of httpx's: no other connection is tried."""


class EgressError(httpx.ConnectError):
    """Base of these errors. `detail` is for the operator's log only: addresses, None if there is nothing to add."""

    def __init__(self, sentence: str, detail: str | None = None) -> None:
        super().__init__(sentence)
        self.detail = detail


class DnsError(EgressError):
    """The host's name could not be resolved."""


class NotConnected(EgressError):
    """No address of the host took the connection."""


class TlsError(EgressError):
    """The TLS handshake failed, or the certificate is not valid for the host."""


class OutOfDescriptors(EgressError):
    """This machine is out of sockets: not the receiver's fault."""


class NoLookupPlace(EgressError):
    """All places for lookups are taken: not the receiver's fault."""


class ConnectionBroken(httpx.ReadError):
    """The connection broke while the response was awaited or came in. `detail` is for the operator's log only."""

    def __init__(self, sentence: str, detail: str) -> None:
        super().__init__(sentence)
        self.detail = detail


class BlockedAddress(EgressError):
    """The URL or an address of its host may not be reached by the egress rules; nothing was connected."""
