"""How the status of a delivery is kept: a pending one that waits aside, or is of low priority, is kept
apart from its webhook's order.

So whoever reads what a webhook gets next passes none of those, however many they are.
"""

from collections.abc import Iterable

from daemon.domain.model import DeliveryStatus

PENDING = DeliveryStatus.PENDING.value
# Not before its time, which is in `set_aside`.
PENDING_ASIDE = "pending_aside"
# Behind all of its webhook that are pending otherwise.
PENDING_LOW = "pending_low"

QUEUED_WORDS = (PENDING, PENDING_LOW)
PENDING_WORDS = (*QUEUED_WORDS, PENDING_ASIDE)
STATUS_WORDS = (*DeliveryStatus, PENDING_LOW, PENDING_ASIDE)


def status_of(word: str) -> DeliveryStatus:
    """Return the status that is kept as this word. Raises ValueError if there is none."""
    return DeliveryStatus.PENDING if word in PENDING_WORDS else DeliveryStatus(word)


def words_of(statuses: Iterable[DeliveryStatus]) -> list[str]:
    """Return all words as which deliveries with these statuses are kept."""
    return [word for status in statuses for word in (PENDING_WORDS if status == PENDING else (status.value,))]
