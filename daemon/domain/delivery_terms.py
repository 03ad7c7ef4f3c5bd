"""On what terms an event is delivered, if its sender sets some (contract "Terms of an event")."""

from enum import StrEnum

from msgspec import Struct

from daemon.domain.clock import DAY_MS

# Whoever subscribed at the acceptance gets it: later than this, that says little about who wants it.
MOST_AHEAD_MS = 90 * DAY_MS


class Priority(StrEnum):
    """Whether an event waits behind others."""

    NORMAL = "normal"
    LOW = "low"


class DeliveryTerms(Struct, frozen=True, gc=False):
    """Not before `deliver_at` (ms), None for at once, and not after `expires_at`, None for never too late.

    With `low` behind all of its webhook that are pending otherwise.
    """

    deliver_at: int | None = None
    expires_at: int | None = None
    low: bool = False
