"""The nodes that share a database, as people are shown them."""

from dataclasses import dataclass
from enum import StrEnum


class Drained(StrEnum):
    """What came of asking a node to give its work to the others."""

    BEGUN = "begun"
    UNKNOWN = "unknown"
    NOBODY_TAKES_OVER = "nobody_takes_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLife:
    """One life of a node: from joining until it leaves or is found dead. Its number is never used again.

    `since` and `ended_at` are Unix times (ms) of the database's clock, `why` says how it ended. `shards` are how many
    it delivers for, of 256. `lease_age_ms` is the time since it renewed its lease, None without one. `pace` (events
    accepted a second) and `parked`, webhooks that rest because their actors kept crashing, are what the node last said
    of itself; None for what it did not say.
    """

    number: int
    name: str
    host: str
    version: str
    since: int
    shards: int
    lease_age_ms: int | None = None
    draining: bool = False
    pace: float | None = None
    parked: tuple[str, ...] | None = None
    ended_at: int | None = None
    why: str | None = None
