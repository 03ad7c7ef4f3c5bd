"""An event whose numbers are taken before another one's, and whose transaction commits after it: the test is its node.

A node's own transaction cannot be held between the two from outside. So these rows are copies, by SQL, of those that a
real node wrote for a similar event, but for their numbers.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
import trio

from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.evidence import Submitted
from tests.cluster.chaos.plan import EVENT_TYPES, PlannedSubmission, PlannedWebhook

_TYPE = EVENT_TYPES[0]
# More than an event has webhooks.
_MOST = 50
_TAKE = f"SELECT nextval('event_order'), (SELECT min(nextval('delivery_order')) FROM generate_series(1, {_MOST}))"
_COPY = """
    INSERT INTO events (seq, id, team_id, type, timestamp, body, accepted_at, test)
    SELECT {event_seq}, 'evt_late_{number}', team_id, type, timestamp,
        convert_to(replace(convert_from(body, 'UTF8'), '"n":{like}}}', '"n":{number}}}'), 'UTF8'), accepted_at, test
    FROM events WHERE id = '{event_id}';
    INSERT INTO deliveries (seq, id, event_id, event_type, webhook_id, team_id, status, attempts_made, created_at, test)
    SELECT {delivery_seq} + place, 'dlv_late_{number}_' || place, 'evt_late_{number}', event_type, webhook_id, team_id,
        'pending', 0, created_at, test
    FROM (SELECT row_number() OVER (ORDER BY seq) - 1 AS place, * FROM deliveries WHERE event_id = '{event_id}') made;
    COMMIT"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Places in the order of acceptance: an event's, and the first one of its deliveries."""

    event: int
    delivery: int


def take_numbers(connection: psycopg.Connection[Any]) -> Numbers:
    """Begin a transaction that accepts an event: like a node's, it has an id before it takes its numbers."""
    connection.execute("BEGIN; SELECT pg_current_xact_id()")
    row = connection.execute(_TAKE.encode()).fetchone()
    assert row is not None
    return Numbers(*row)


def copy_of(like: Submitted, number: int, numbers: Numbers) -> str:
    """Return the rest of the transaction: it accepts event `number`, for the webhooks of the one `like` it."""
    return _COPY.format(
        number=number, like=like.number, event_id=like.event_id, event_seq=numbers.event, delivery_seq=numbers.delivery
    )


@dataclass(frozen=True, slots=True)
class Late:
    """A webhook with a team of its own, and the numbers of an event for it, whose transaction is under way."""

    cluster: Cluster
    webhook: PlannedWebhook
    event: Submitted
    numbers: Numbers
    connection: psycopg.Connection[Any]

    async def submit_next(self) -> Submitted:
        """Have a node accept the next event for this webhook."""
        return await self.cluster.clients.submit(self.webhook.team, _TYPE)

    async def commit(self, like: Submitted) -> None:
        """Accept the late event, as the one `like` it was."""
        await trio.to_thread.run_sync(self._commit, copy_of(like, self.event.number, self.numbers))

    def _commit(self, statements: str) -> None:
        with self.connection:
            self.connection.execute(statements.encode())


async def begin_late(cluster: Cluster) -> Late:
    """Make a team with a webhook whose receiver fails twice, and begin to submit an event for it."""
    name = f"late-{sum(webhook.behaviour == 'twice' for webhook in cluster.planned.values())}"
    webhook = PlannedWebhook(name, name, "twice", frozenset({_TYPE}))
    cluster.planned[name] = webhook
    ask = cluster.registrar.until_answered
    await ask("POST", "/v1/teams", {"Idempotency-Key": name}, {"id": name, "name": name})
    await ask("POST", "/v1/webhooks", {"Idempotency-Key": f"webhook {name}"}, cluster.receivers.registration(webhook))
    [event] = cluster.clients.begin(PlannedSubmission(name, [_TYPE], keyed=False, doubled=False), trio.current_time())
    connection = await trio.to_thread.run_sync(cluster.primary.connect)
    return Late(cluster, webhook, event, await trio.to_thread.run_sync(take_numbers, connection), connection)
