"""What nodes that share a database tell each other through it, as values (architecture "Nodes")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from daemon.domain.errors import StoreUnavailable
from daemon.domain.event_types import EventType
from daemon.domain.model import ApiKey, Webhook
from daemon.store.commands import Command, EndSession


class Terms(Struct, frozen=True):
    """What nodes have to agree on, as one of them has it.

    `revision` is the newest that its code knows, `keys` are the fingerprints of its encryption keys, and `settings` are
    those that change what is promised, by name, as text.
    """

    revision: str = ""
    keys: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}


# Two nodes that differ in these would break a promise at once: the second one is not admitted.
MUST_AGREE = ("credits.enforce",)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node is called: `installation` is its state directory's own id, the others are for people."""

    installation: str
    name: str
    host: str
    version: str
    terms: Terms = field(default_factory=Terms)


class NotAdmitted(Exception):
    """A node may not work beside the others: the message is one sentence that says why, and what to do."""


class CopiedInstallation(Exception):
    """A living node on another host has this installation's id: `name` and `host` are that node's."""

    def __init__(self, name: str, host: str) -> None:
        super().__init__(name, host)
        self.name = name
        self.host = host


@dataclass(frozen=True, slots=True)
class Survey:
    """How the work is shared: among how many nodes, which shards are this one's, and how many nobody's."""

    sharers: int
    mine: frozenset[int]
    free: int
    draining: bool


@dataclass(slots=True)
class Fence:
    """Under which life this process writes; None while it is no member, and then nothing is written."""

    node: int | None = None

    def begin(self) -> int:
        """Return the life that a transaction begins under. Raises StoreUnavailable."""
        if self.node is None:
            raise StoreUnavailable("this node is not a member of its cluster now: try again in a moment")
        return self.node


class Registry(Protocol):
    """The lives of nodes and the owners of shards, in the database.

    Every method raises StoreUnavailable, and then it may have been carried out.
    """

    async def join(self, me: Identity) -> int:
        """Begin a life and return its number; another of the same installation on this host ends.

        Raises CopiedInstallation, NotAdmitted.
        """

    async def renew(self, node: int, report: str) -> bool:
        """Renew the lease, and keep the node's report (JSON); return False if its life has ended."""

    async def reap(self, node: int) -> Sequence[int]:
        """End the lives whose lease is over, and return them, if this node has been steady for a whole lease itself."""

    async def survey(self, node: int) -> Survey:
        """Return how the work is shared now."""

    async def claim(self, node: int, at_most: int) -> Sequence[int]:
        """Take shards that no living node owns, and return them."""

    async def release(self, node: int, shards: Sequence[int]) -> None:
        """Give shards back."""

    async def drain(self, node: int) -> None:
        """Have the others take this node's share, too: it gives its shards back."""

    async def leave(self, node: int, why: str) -> None:
        """End this node's life."""


class Kind(StrEnum):
    """What a change was about, and what its `id` is."""

    WEBHOOK = "webhook"
    TEAM = "team"
    KEY = "key"
    SESSION = "session"
    CREDITS = "credits"  # no id
    FAN_OUT = "fan_out"  # begun, or finished; no id
    BULK_JOB = "bulk_job"  # added
    ERASURE = "erasure"  # begun: the id of an event
    EVENT_TYPE = "event_type"  # the name of one of the API
    SEALING = "sealing"  # the fingerprint of the key that seals from now on; no team


class Change(Struct, frozen=True):
    """Something that nodes keep in memory has changed."""

    kind: Kind
    team_id: str
    id: str = ""


class KnownKey(Struct, frozen=True):
    """An API key, revoked or not, and the SHA-256 of its secret."""

    digest: bytes
    key: ApiKey


class News(Struct, frozen=True, kw_only=True):
    """What has changed up to a version, as it is then.

    `sealing` is the fingerprint of another key that seals now.
    `credits` are the teams that were granted some, `fan_outs` those whose fan-outs have begun or are finished,
    `bulk_jobs` are those that were added, `erasures` what is being erased, `event_types` those of the API by name, None
    for one that was removed. With
    `is_complete` False older changes are no longer told: then everything has to be read.
    """

    version: int
    is_complete: bool = True
    webhooks: tuple[Webhook, ...] = ()
    team_ids: tuple[str, ...] = ()
    keys: tuple[KnownKey, ...] = ()
    sessions: tuple[EndSession, ...] = ()
    credits: tuple[str, ...] = ()
    fan_outs: tuple[str, ...] = ()
    bulk_jobs: tuple[str, ...] = ()
    erasures: tuple[str, ...] = ()
    event_types: Mapping[str, EventType | None] = {}
    sealing: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a node called out to all others: a hint, which may be lost."""

    channel: str
    payload: str


class Listener(Protocol):
    """Hears what nodes call out. Each method raises StoreUnavailable when it no longer can."""

    async def receive(self, within_s: float) -> Sequence[Notice]:
        """Wait for notices, up to so long; return what came."""

    def call_echo(self) -> None:
        """Call out to ourselves: what comes back shows that notices come."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The webhooks of deliveries behind a place, and how far this snapshot sees.

    `last_seq` is its highest number. Every transaction with an id below `oldest` has ended, none with one from `next`
    on had begun to take numbers.
    """

    webhook_ids: frozenset[str]
    last_seq: int
    oldest: int
    next: int


class PruneFeed(Command[int], frozen=True):
    """Forget changes that every node has followed by now, and lives that ended a week ago, at most `limit` of each.

    Answers how many. Only for a database that nodes share.
    """

    limit: int
