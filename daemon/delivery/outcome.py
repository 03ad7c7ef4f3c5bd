"""What an attempt's outcome is: success is a 2xx, redirects are failures, and this much of a response is kept."""

from collections.abc import Sequence

import httpx

from daemon.domain.model import Outcome, OutcomeKind
from daemon.egress.errors import (
    BlockedAddress,
    ConnectionBroken,
    DnsError,
    EgressError,
    NoLookupSlot,
    NotPermitted,
    OutOfDescriptors,
    ProxyFailed,
    TlsError,
)
from daemon.egress.response import Response

MAX_KEPT_BODY_BYTES = 4 * 1024
_MAX_KEPT_HEADERS = 50
_MAX_KEPT_HEADER_BYTES = 8 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)

Failure = tuple[OutcomeKind, str]


def outcome_of(response: Response, failure: Failure | None, duration_ms: int) -> Outcome:
    """Return the outcome of an attempt: a success, or `failure`, with what is kept of the response."""
    kind, error = failure or (OutcomeKind.DELIVERED, None)
    if response.status is None:
        return Outcome(kind, duration_ms, error=error)
    return Outcome(
        kind=kind,
        duration_ms=duration_ms,
        status=response.status,
        headers=_kept_headers(response.headers),
        body=bytes(response.body),
        error=error,
    )


def failure_of(response: Response) -> Failure | None:
    """Return why a response is not a success, None for a 2xx (contract "An attempt")."""
    status = response.status
    assert status is not None, "a sufficient response has a status"
    if 200 <= status < 300:
        return None
    hint = ", and redirects are not followed" if status in _REDIRECTS and _has_location(response) else ""
    return OutcomeKind.HTTP_ERROR, f"the receiver answered {status}{hint}"


def _has_location(response: Response) -> bool:
    return any(name.lower() == b"location" for name, _ in response.headers)


def timed_out(response: Response, timeout_s: float) -> Failure:
    """Return the failure of an attempt whose deadline passed, and how far it got."""
    within = f"within {timeout_s:g} s"
    if response.status is not None:
        sentence = f"the receiver answered {response.status} but did not finish its response {within}"
    else:
        sentence = f"no response {within} (stopped while {response.stage})"
    return OutcomeKind.TIMEOUT, sentence


def detail_of(error: Exception) -> str | None:
    """Return what only the operator's log may say of an error, if anything."""
    return error.detail if isinstance(error, EgressError | ConnectionBroken) else None


def transport_failure(error: httpx.TransportError) -> Failure:
    """Return the failure that an error of the transport is, as the team may read it."""
    return _kind_of(error), str(error)


def _kind_of(error: httpx.TransportError) -> OutcomeKind:
    match error:
        case BlockedAddress():
            return OutcomeKind.BLOCKED_ADDRESS
        case DnsError():
            return OutcomeKind.DNS_ERROR
        case TlsError():
            return OutcomeKind.TLS_ERROR
        case ProxyFailed(is_operators=False):
            return OutcomeKind.PROXY_ERROR
        case ProxyFailed() | OutOfDescriptors() | NoLookupSlot() | NotPermitted():
            return OutcomeKind.INTERRUPTED
        case httpx.ConnectError():
            return OutcomeKind.CONNECT_ERROR
        case httpx.TimeoutException():
            return OutcomeKind.TIMEOUT
        case _:
            return OutcomeKind.PROTOCOL_ERROR


def _kept_headers(fields: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    room = _MAX_KEPT_HEADER_BYTES
    for name, value in fields:
        size = len(name) + len(value)
        if size <= room:  # an oversized one does not hide the others
            room -= size
            kept.append((name.decode("utf-8", "replace"), value.decode("utf-8", "replace")))
            if len(kept) == _MAX_KEPT_HEADERS:
                break
    return tuple(kept)
