"""On what terms an event is delivered, if its sender sets some (contract "Terms of an event")."""

from msgspec import Struct

from daemon.domain.clock import DAY_MS

# Whoever subscribed at the acceptance gets it: later than this, that says little about who wants it.
MOST_AHEAD_MS = 90 * DAY_MS


class DeliveryTerms(Struct, frozen=True, gc=False):
    """Not before `deliver_at` (ms), None for at once."""

    deliver_at: int | None = None
