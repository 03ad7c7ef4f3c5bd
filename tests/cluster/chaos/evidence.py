"""What a run leaves behind, as plain data: what clients were told, what receivers got, what the database holds.

Times are seconds on the clock of the test's process, which nothing here freezes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.cluster.chaos.plan import PlannedWebhook

# While this is done to a node, it notes other times of acceptance than there are.
CLOCK_STEPPED = "clock stepped"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as a receiver noted it before it answered `status`; `node` made it, `number` is in the event's data.

    `id` is in the answer, too: so the recorded attempt says of which request it is. `edited` if it came to the address
    of the webhook's edit. `life` is the node's life that made it, if that is known.
    """

    id: int
    at: float
    node: int
    webhook: str
    delivery_id: str
    attempt: int
    number: int
    status: int
    signed: bool
    edited: bool = False
    life: int | None = None

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Submitted:
    """An event as its client knows it: submitted first at, acknowledged first at, and what the receipt says.

    `first` is the number of the first event of its batch. Without a receipt nobody knows whether it was accepted.
    """

    number: int
    first: int
    team: str
    type: str
    submitted_at: float
    acknowledged_at: float | None = None
    event_id: str = ""
    deliveries: int = 0


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery of what a webhook missed since `since`, of which the answer said how many deliveries were made."""

    webhook: str
    since: float
    asked: float
    answered: float
    deliveries: int


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that was done to nodes, after which what was in flight there may be sent again."""

    what: str
    nodes: frozenset[int]
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of the table of events."""

    seq: int
    id: str
    number: int
    team: str
    type: str


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A row of the table of deliveries; `webhook` is the webhook's name. `again` if it was made after its event.

    `ended` is its place among all ends, by the server's own record of its commits: no clock of a node has a part in it.
    """

    seq: int
    id: str
    event_id: str
    webhook: str
    status: str
    attempts_made: int
    ended: float
    again: bool = False


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """A row of the table of attempts: the `arrival` that it records, and when the server committed it."""

    delivery_id: str
    number: int
    status: int | None
    arrival: int | None
    committed_at: float


@dataclass(frozen=True, slots=True)
class StoredLife:
    """A life of a node: when the server committed its beginning, and its end."""

    node: int
    life: int
    began_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """What a webhook's row says of its failures."""

    name: str
    active: bool
    deleted: bool
    consecutive_failures: int


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail of the outbox: the webhook's name, and the ids of the failed deliveries that it tells of, in order."""

    id: str
    webhook: str
    failed: list[str]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds after a run; `impossible` are sentences about rows that cannot be."""

    events: list[StoredEvent]
    deliveries: list[StoredDelivery]
    attempts: list[StoredAttempt]
    lives: list[StoredLife]
    webhooks: list[StoredWebhook]
    mails: list[StoredMail]
    impossible: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known after a run. `mailed` counts each mail's arrivals at the mail server.

    `complaints` are sentences about answers that no client should have got, processes that ended and log lines. `epoch`
    is what the server's clock says when that of the test's process says zero. `resent` has the id of each delivery that
    was made by a resend, with that of the old one.
    """

    planned: Mapping[str, PlannedWebhook]
    submitted: list[Submitted]
    arrivals: list[Arrival]
    disturbances: list[Disturbance]
    stored: Stored
    mailed: Mapping[str, int]
    epoch: float = 0
    recoveries: Sequence[Recovery] = ()
    resent: Mapping[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
