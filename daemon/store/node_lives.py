"""The nodes that share a database, as people are shown them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from daemon.domain.agreement import Declared, differences


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
    of itself; None for what it did not say. So are `settings`, on which nodes have to agree; `differences` says in
    what it differs from most of the others that live, a sentence each.
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
    settings: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    ended_at: int | None = None
    why: str | None = None


def compared(lives: Sequence[NodeLife]) -> list[NodeLife]:
    """Return the same lives with what the living ones differ in; the older a node is, the more it is right."""
    living = sorted((life for life in lives if life.ended_at is None), key=lambda life: life.number)
    found = differences([Declared(life.name, life.settings) for life in living])
    told = {life.number: tuple(each) for life, each in zip(living, found, strict=True)}
    return [replace(life, differences=told.get(life.number, ())) for life in lives]
