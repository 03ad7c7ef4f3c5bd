"""The command that creates the deliveries of large submissions, and its answer."""

from collections.abc import Mapping

from msgspec import Struct

from daemon.domain.model import CancelReason, Work
from daemon.store.commands import Cancelled, Command


class MadeDeliveries(Struct, frozen=True):
    """How many deliveries were made: pending ones as `work`, paired with their webhooks' ids, in order; the others
    were cancelled meanwhile, by webhook and reason. `next_first_seq` is where the first unfinished fan-out begins.
    `set_aside` has the webhook's id of each that waits aside; `due_at` is the first time of those that have one (ms).
    """

    made: int
    work: tuple[tuple[str, Work], ...]
    cancelled: Mapping[tuple[str, CancelReason], Cancelled]
    next_first_seq: int | None
    set_aside: tuple[str, ...] = ()
    due_at: int | None = None


class MakeDeliveries(Command[MadeDeliveries], frozen=True):
    """Make the next deliveries of a team's fan-outs up to the one that begins at `until_first_seq`, oldest first.

    At most `limit`, each with its `fan_out_delivery_id`. Answers MadeDeliveries. Repeating it creates the
    next ones, too.
    """

    team_id: str
    until_first_seq: int
    limit: int
