"""What can go wrong before a request is sent, as httpx exceptions: each message is one sentence for a person."""

import httpx


class DnsError(httpx.ConnectError):
    """The host's name could not be resolved."""


class TlsError(httpx.ConnectError):
    """The TLS handshake failed, or the certificate is not valid for the host."""


class OutOfDescriptors(httpx.ConnectError):
    """This process may open no more sockets just now: no fault of the receiver's."""


class BlockedAddress(httpx.ConnectError):
    """The URL or an address of its host may not be reached by the egress rules; nothing was connected."""
