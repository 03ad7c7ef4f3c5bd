"""Opening a connection: resolve once, check every address, connect to one that passed, TLS (contract "HTTP API").

The name is resolved nowhere else: the connection goes to an address that was checked, even if the name resolves to
another one by now.
"""

import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address

import trio

from daemon.egress.addresses import Address, refusal
from daemon.egress.errors import (
    BlockedAddress,
    DnsError,
    NotConnected,
    OutOfDescriptors,
    TlsError,
    is_shortage,
    public_reason,
)
from daemon.egress.resolver import Resolve
from daemon.egress.urls import EgressRules, Target
from daemon.egress.wire import TlsWire, Wire

# The longest time for an address that does not answer, while others are left to try (two SYN are lost by then).
_LONGEST_TRY_S = 3.0
# Faults of the certificate, by X509_verify_cert_error_string(3): dates, names, key, the chain to an authority.
_CERTIFICATE_FAULTS = (9, 10, 18, 19, 20, 21, 24, 26, 62, 63, 64, 66, 67, 68)


async def open_wire(target: Target, rules: EgressRules, resolve: Resolve, tls: ssl.SSLContext) -> Wire:
    """Connect to the target and, for https, verify its certificate for its name.

    Runs under the caller's deadline. Raises DnsError, BlockedAddress, NotConnected, TlsError, or OutOfDescriptors.
    """
    addresses = await _addresses_of(target, resolve)
    if (refused := refusal(target.host, addresses, rules.allow_networks)) is not None:
        raise BlockedAddress(refused.sentence, refused.detail)
    connected = await _connect_to_any(target, addresses)
    return Wire(connected) if target.scheme == "http" else await _start_tls(connected, target, tls)


async def _addresses_of(target: Target, resolve: Resolve) -> Sequence[Address]:
    try:
        addresses = await resolve(target.host, target.port)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            raise DnsError(f"the name {target.host} does not exist or has no address") from None
        raise DnsError(f"the name {target.host} could not be resolved", error.strerror) from None
    except OSError as error:
        if is_shortage(error):
            raise _out_of_descriptors() from None
        raise DnsError(f"the name {target.host} could not be resolved", str(error)) from None
    if not addresses:
        raise DnsError(f"the name {target.host} has no address")
    return addresses


async def _connect_to_any(target: Target, addresses: Sequence[Address]) -> socket.socket:
    failures: dict[Address, OSError | None] = {}
    for place, address in enumerate(addresses):
        failures[address] = None
        with trio.move_on_after(_timeout_s(len(addresses) - place)):
            try:
                return await _connect(address, target.port)
            except OSError as error:
                if is_shortage(error):
                    raise _out_of_descriptors() from None
                failures[address] = error
    raise _not_connected(target, failures)


def _not_connected(target: Target, failures: Mapping[Address, OSError | None]) -> NotConnected:
    public = dict.fromkeys((error and public_reason(error)) or "no answer" for error in failures.values())
    reasons = (
        (address, (error.strerror or str(error)).lower() if error else "no answer")
        for address, error in failures.items()
    )
    detail = ", ".join(f"{address}: {reason}" for address, reason in reasons)
    return NotConnected(f"no connection to {target.host} port {target.port} ({', '.join(public)})", detail)


def _out_of_descriptors() -> OutOfDescriptors:
    return OutOfDescriptors("the daemon is out of sockets")


def _timeout_s(addresses_left: int) -> float:
    """Return the seconds for the next address: all that remain for the last one, an equal share for the others."""
    if addresses_left == 1:
        return float("inf")
    remaining = trio.current_effective_deadline() - trio.current_time()
    return max(0.0, min(_LONGEST_TRY_S, remaining / addresses_left))


async def _connect(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await _finish_connect(connecting, (str(address), port))
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _finish_connect(connecting: socket.socket, address: tuple[str, int]) -> None:
    try:
        connecting.connect(address)
    except BlockingIOError:
        await trio.lowlevel.wait_writable(connecting)
        if code := connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code)) from None


async def _start_tls(connected: socket.socket, target: Target, tls: ssl.SSLContext) -> Wire:
    try:
        wire = TlsWire(connected, tls, target.host)
        await wire.handshake()
    except ssl.SSLError as error:
        connected.close()
        raise TlsError(_tls_sentence(error, target.host), str(error)) from error
    except OSError as error:
        connected.close()
        raise TlsError(f"{target.host} closed the connection during the TLS handshake", str(error)) from error
    except BaseException:
        connected.close()
        raise
    return wire


def _tls_sentence(error: ssl.SSLError, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".") if error.verify_code in _CERTIFICATE_FAULTS else "not trusted"
        return f"the certificate is not valid for {host} ({reason})"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return f"{host} closed the connection during the TLS handshake"
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"{host} does not speak TLS on this port"
    return f"the TLS handshake with {host} failed ({public_reason(error) or 'unknown reason'})"
