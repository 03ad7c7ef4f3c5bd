"""Opening a connection: resolve once, check every address, connect to one that answers, TLS (contract "HTTP API").

The name is resolved nowhere else: the connection goes to an address that was checked, even if the name resolves to
another one by now.
"""

import socket
import ssl
from collections.abc import Mapping, Sequence

from daemon.egress.addresses import Address, refusal
from daemon.egress.client_tls import ClientTls
from daemon.egress.errors import (
    BlockedAddress,
    DnsError,
    NotConnected,
    TlsError,
    is_shortage,
    out_of_descriptors,
    public_reason,
    refused_certificate,
)
from daemon.egress.racing import MoreSockets, NoneConnected, connect_to_first
from daemon.egress.resolver import Resolve
from daemon.egress.urls import EgressRules, Target
from daemon.egress.wire import TlsWire, Wire

# A name may have hundreds of addresses of others: no attempt knocks at all of them.
_MOST_TRIED = 16
# Faults of the certificate, by X509_verify_cert_error_string(3): dates, names, key, the chain to an authority.
_CERTIFICATE_FAULTS = (9, 10, 18, 19, 20, 21, 24, 26, 62, 63, 64, 66, 67, 68)


async def checked_addresses(
    target: Target, rules: EgressRules, resolve: Resolve, *, ip_version: int | None = None
) -> Sequence[Address]:
    """Return the target's first addresses, 16 at most, after all of them have passed; with `ip_version` of this family.

    Raises DnsError, BlockedAddress or OutOfDescriptors.
    """
    addresses = await resolved(target, resolve)
    if (refused := refusal(target.host, addresses, rules.allow_networks)) is not None:
        raise BlockedAddress(refused.sentence, refused.detail)
    of_family = [address for address in addresses if ip_version in (None, address.version)]
    if not of_family:
        raise DnsError(f"{target.host} has no IPv{ip_version} address, and this webhook uses IPv{ip_version} only")
    return of_family[:_MOST_TRIED]


async def resolved(target: Target, resolve: Resolve) -> Sequence[Address]:
    """Return the target's addresses, unchecked. Raises DnsError or OutOfDescriptors."""
    try:
        addresses = await resolve(target.host, target.port)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            raise DnsError(f"the name {target.host} does not exist or has no address") from None
        raise DnsError(f"the name {target.host} could not be resolved", error.strerror) from None
    except OSError as error:
        if is_shortage(error):
            raise out_of_descriptors() from None
        raise DnsError(f"the name {target.host} could not be resolved", str(error)) from None
    if not addresses:
        raise DnsError(f"the name {target.host} has no address")
    return addresses


async def connect_directly(target: Target, addresses: Sequence[Address], more: MoreSockets) -> socket.socket:
    """Return a socket connected to the first of the addresses that takes the connection.

    `more` lends descriptors for a while. Runs under the caller's deadline. Raises NotConnected or OutOfDescriptors.
    """
    try:
        return await connect_to_first(addresses, target.port, more)
    except NoneConnected as error:
        failures = error.failures
    if any(error is not None and is_shortage(error) for error in failures.values()):
        raise out_of_descriptors()
    raise _not_connected(target, failures)


def _not_connected(target: Target, failures: Mapping[Address, OSError | None]) -> NotConnected:
    public = dict.fromkeys((error and public_reason(error)) or "no answer" for error in failures.values())
    reasons = (
        (address, (error.strerror or str(error)).lower() if error else "no answer")
        for address, error in failures.items()
    )
    detail = ", ".join(f"{address}: {reason}" for address, reason in reasons)
    return NotConnected(f"no connection to {target.host} port {target.port} ({', '.join(public)})", detail)


async def start_tls(
    connected: socket.socket, target: Target, tls: ssl.SSLContext, *, own: ClientTls | None = None
) -> Wire:
    """Verify the certificate of whoever is at the other end for the target's name. Raises TlsError.

    `own` is what the context has of the webhook's own.
    """
    try:
        return await _secured(connected, target, tls, own=own)
    except OSError as error:
        connected.close()
        raise TlsError(f"{target.host} closed the connection during the TLS handshake", str(error)) from error
    except BaseException:
        connected.close()
        raise


async def _secured(connected: socket.socket, target: Target, tls: ssl.SSLContext, *, own: ClientTls | None) -> Wire:
    wire = TlsWire(connected, tls, target.host, shows_certificate=bool(own and own.certificate))
    try:
        await wire.handshake()
    except ssl.SSLError as error:
        sentence = _tls_sentence(error, target.host, own, has_answered=wire.has_answered)
        raise TlsError(sentence, str(error)) from error
    return wire


def _tls_sentence(error: ssl.SSLError, host: str, own: ClientTls | None, *, has_answered: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".") if error.verify_code in _CERTIFICATE_FAULTS else "not trusted"
        judges = " by the webhook's own CAs" if own and own.authorities else ""
        return f"the certificate is not valid for {host}{judges} ({reason})"
    shows = bool(own and own.certificate)
    if (refused := refused_certificate(error, shows, has_answered=has_answered)) is not None:
        return refused
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return f"{host} closed the connection during the TLS handshake"
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"{host} does not speak TLS on this port"
    return f"the TLS handshake with {host} failed ({public_reason(error) or 'unknown reason'})"
