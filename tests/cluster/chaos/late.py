"""An event whose numbers are taken before another one's, and whose transaction commits after it: the test is its node.

A node's own transaction cannot be held between the two from outside. So these rows are copies, by SQL, of those that a
real node wrote for a similar event, but for their numbers.
"""

from dataclasses import dataclass

import trio

from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.evidence import Submitted
from tests.cluster.chaos.plan import EVENT_TYPES, PlannedSubmission, PlannedWebhook

_TYPE = EVENT_TYPES[0]
_COPY_EVENT = """
    INSERT INTO events (seq, id, team_id, type, timestamp, body, accepted_at, test)
    SELECT {seq}, 'evt_late_{number}', team_id, type, timestamp,
        convert_to(replace(convert_from(body, 'UTF8'), '"n":{like}}}', '"n":{number}}}'), 'UTF8'), accepted_at, test
    FROM events WHERE id = '{event_id}'"""
_COPY_DELIVERIES = """
    INSERT INTO deliveries (seq, id, event_id, event_type, webhook_id, team_id, status, attempts_made, created_at, test)
    SELECT {seq}, 'dlv_late_{number}', 'evt_late_{number}', event_type, webhook_id, team_id, 'pending', 0, created_at,
        test
    FROM deliveries WHERE event_id = '{event_id}'"""


@dataclass(frozen=True, slots=True)
class Late:
    """A webhook with a team of its own, and the numbers of an event for it that has not been accepted yet."""

    cluster: Cluster
    webhook: PlannedWebhook
    event: Submitted
    event_seq: int
    delivery_seq: int

    async def submit_next(self) -> Submitted:
        """Have a node accept the next event for this webhook."""
        return await self.cluster.clients.submit(self.webhook.team, _TYPE)

    async def commit(self, like: Submitted) -> None:
        """Accept the late event, as the one `like` it was."""
        names = {"number": self.event.number, "like": like.number, "event_id": like.event_id}
        event = _COPY_EVENT.format(seq=self.event_seq, **names)
        await self.cluster.primary.query(f"{event}; {_COPY_DELIVERIES.format(seq=self.delivery_seq, **names)}")


async def begin_late(cluster: Cluster) -> Late:
    """Make a team with a webhook whose receiver fails twice, and begin to submit an event for it."""
    name = f"late-{sum(webhook.behaviour == 'twice' for webhook in cluster.planned.values())}"
    webhook = PlannedWebhook(name, name, "twice", frozenset({_TYPE}))
    cluster.planned[name] = webhook
    ask = cluster.registrar.until_answered
    await ask("POST", "/v1/teams", {"Idempotency-Key": name}, {"id": name, "name": name})
    await ask("POST", "/v1/webhooks", {"Idempotency-Key": f"webhook {name}"}, cluster.receivers.registration(webhook))
    [event] = cluster.clients.begin(PlannedSubmission(name, [_TYPE], keyed=False, doubled=False), trio.current_time())
    [(event_seq, delivery_seq)] = await cluster.primary.query(
        "SELECT nextval('event_order'), nextval('delivery_order')"
    )
    return Late(cluster, webhook, event, int(str(event_seq)), int(str(delivery_seq)))
