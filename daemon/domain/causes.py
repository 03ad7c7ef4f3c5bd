"""Why a delivery stands as it does, in a few words: for the rows of lists."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from daemon.domain.durations import duration
from daemon.domain.model import CancelReason, Delivery, DeliveryStatus, LastAttempt, OutcomeKind

# Of those without a status that says it.
OUTCOME_WORDS: Mapping[OutcomeKind, str] = MappingProxyType(
    {
        OutcomeKind.TIMEOUT: "timed out",
        OutcomeKind.DNS_ERROR: "name not resolved",
        OutcomeKind.CONNECT_ERROR: "not connected",
        OutcomeKind.TLS_ERROR: "TLS failed",
        OutcomeKind.PROTOCOL_ERROR: "malformed response",
        OutcomeKind.BLOCKED_ADDRESS: "address not allowed",
        OutcomeKind.PROXY_ERROR: "proxy error",
        OutcomeKind.INTERRUPTED: "interrupted",
    }
)
_PHRASES: Mapping[int | None, str] = MappingProxyType({status.value: status.phrase for status in HTTPStatus})
_CANCEL_WORDS: Mapping[CancelReason, str] = MappingProxyType(
    {
        CancelReason.WEBHOOK_DISABLED: "cancelled: webhook disabled",
        CancelReason.WEBHOOK_DELETED: "cancelled: webhook deleted",
        CancelReason.REQUESTED: "cancelled on request",
        CancelReason.EXPIRED: "cancelled: expired",
        CancelReason.ERASED: "cancelled: event erased",
    }
)


# Why a delivery waits whose webhook is paused.
PAUSED = "waits: webhook paused"
# Why one waits whose event is to be delivered later.
LATER = "waits: for its time"
# Why one waits whose webhook takes so many a second at most.
PACED = "waits: pace of the webhook"


def in_words(delivery: Delivery, last: LastAttempt | None, *, is_paused: bool = False, is_paced: bool = False) -> str:
    """Return why a delivery was cancelled, or is held back, else how its last attempt ended; "" if it had none."""
    if delivery.cancel_reason is not None:
        return cancelled_in_words(delivery.cancel_reason)
    if is_paused and delivery.status is DeliveryStatus.PENDING:
        return PAUSED
    if delivery.waits_aside and not delivery.attempts_made:
        return LATER
    if is_paced and delivery.status is DeliveryStatus.PENDING and delivery.next_attempt_at is None:
        return PACED
    return "" if last is None else attempt_in_words(last.outcome, last.status, last.duration_ms)


def attempt_in_words(outcome: OutcomeKind, status: int | None, duration_ms: int) -> str:
    """Return how an attempt ended and what it took: `503 · 185 ms`, `timed out · 10 s`."""
    return f"{_what(outcome, status)} · {duration(duration_ms)}"


def error_in_words(outcome: OutcomeKind, status: int | None) -> str:
    """Return how attempts failed: `503 Service Unavailable`, `timed out`."""
    phrase = _PHRASES.get(status) if outcome == OutcomeKind.HTTP_ERROR else None
    return f"{status} {phrase}" if phrase else _what(outcome, status)


def _what(outcome: OutcomeKind, status: int | None) -> str:
    return OUTCOME_WORDS.get(outcome) or (outcome.replace("_", " ") if status is None else str(status))


def cancelled_in_words(reason: CancelReason) -> str:
    """Return why a delivery was cancelled: `cancelled: webhook disabled`."""
    return _CANCEL_WORDS[reason]
