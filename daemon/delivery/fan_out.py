"""Creates the deliveries of large submissions in batches, after the commit that accepted them.

The remaining work is in the database and survives a restart. Each team's is done in the order of acceptance; teams
take turns. Invariant: while a team has unfinished fan-outs, all that it submits becomes another, so that none of its
webhooks gets a later event first.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import trio

from daemon.actors.fair_queue import FairQueue
from daemon.actors.pacing import rest_after
from daemon.actors.shares import Share
from daemon.delivery.owners import Owners
from daemon.domain.model import CancelReason, DeliveryStatus
from daemon.domain.submission import FanOut
from daemon.store.fan_out_commands import MadeDeliveries, MakeDeliveries
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.store.writes.fan_outs import unfinished_fan_outs
from daemon.telemetry.telemetry import Telemetry

# Committing this many rows takes about 10 ms.
_DELIVERIES_AT_ONCE = 100
# The rest of the time, the store and the event loop are free for others.
_SHARE = 0.5
_SHORTEST_REST_S = 0.005
# Up to this many cancelled deliveries of a webhook get a log line each; the rest only appear in the total.
_LINES_OF_A_WEBHOOK = 1_000


@dataclass(slots=True)
class _Backlog:
    """The remaining work for one team: the fan-outs that begin at `first_seq` up to `last_first_seq`."""

    first_seq: int
    last_first_seq: int
    remaining: int
    added_at: float
    begun: bool = False
    made: int = 0
    cancelled: Counter[tuple[str, CancelReason]] = field(default_factory=Counter)


class FanOuts:
    """The teams' unfinished fan-outs. `waiting` counts, by team, the deliveries that are still to be created.

    `max_waiting` is the limit for all teams together. `makes(team_id)` says whose deliveries are created here: those of
    other teams are another node's work.
    """

    def __init__(
        self,
        *,
        store: Store,
        telemetry: Telemetry,
        owners: Owners,
        max_waiting: int,
        makes: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._store = store
        self._log = telemetry.log
        self._metrics = telemetry.metrics
        self._changes = telemetry.changes
        self._owners = owners
        self._makes = makes
        self._changed_elsewhere: dict[str, int] = {}
        self.waiting = Share(max_waiting)
        self._backlogs: dict[str, _Backlog] = {}
        self._turns: FairQueue[str] = FairQueue()
        self._added = trio.lowlevel.ParkingLot()
        self._progress = trio.lowlevel.ParkingLot()

    def has_unfinished(self, team_id: str) -> bool:
        """Whether deliveries of this team are still to be made."""
        return team_id in self._backlogs or team_id in self._changed_elsewhere

    async def finished(self, team_id: str) -> None:
        """Wait until all deliveries outstanding now for this team have been created."""
        if (now := self._backlogs.get(team_id)) is None:
            return
        last = now.last_first_seq
        while (backlog := self._backlogs.get(team_id)) is not None and backlog.first_seq <= last:
            await self._progress.park()

    async def reload(self) -> None:
        """Discard the state in memory and reload it from the database: after a crash that left it in doubt."""
        for team_id, backlog in self._backlogs.items():
            self.waiting.give_back(team_id, backlog.remaining)
        self._backlogs, self._turns = {}, FairQueue()
        await self._store.writer.settled()
        read = partial(self._store.reader.fetch, unfinished_fan_outs)
        self.resume(await retry_until_available(read, self._log))
        self._progress.unpark_all()  # waiters may have nothing left to wait for

    def resume(self, unfinished: Iterable[FanOut]) -> None:
        """Resume what the database has."""
        for fan_out in unfinished:
            self.add(fan_out)
            self.begin(fan_out.team_id)

    def add(self, fan_out: FanOut) -> None:
        """Add a committed fan-out. Those of one team come in order."""
        self.waiting.take(fan_out.team_id, fan_out.remaining)
        backlog = self._backlogs.get(fan_out.team_id)
        if backlog is not None:
            backlog.last_first_seq = fan_out.first_seq
            backlog.remaining += fan_out.remaining
            return
        first_seq, now = fan_out.first_seq, trio.current_time()
        self._backlogs[fan_out.team_id] = _Backlog(first_seq, first_seq, remaining=fan_out.remaining, added_at=now)

    def begin(self, team_id: str) -> None:
        """Start creating this team's deliveries; earlier ones must already be with their actors."""
        backlog = self._backlogs.get(team_id)
        if backlog is not None and not backlog.begun and self._makes(team_id):
            backlog.begun = True
            self._turns.put(team_id, _DELIVERIES_AT_ONCE, team_id)
            self._added.unpark_all()

    async def run(self) -> None:
        """Create batch after batch, until cancelled."""
        while True:
            while not (self._turns or self._changed_elsewhere):
                await self._added.park()
            for team_id in tuple(self._changed_elsewhere):
                await self._look(team_id)
            if not self._turns:
                continue
            began_at = trio.current_time()
            await self._take_turn(self._turns.take())
            await rest_after(began_at, share=_SHARE, at_least_s=_SHORTEST_REST_S)

    def look_again(self, team_ids: Iterable[str]) -> None:
        """Take note that another node has begun or finished fan-outs of these teams: unfinished until looked at."""
        for team_id in team_ids:
            self._changed_elsewhere[team_id] = self._changed_elsewhere.get(team_id, 0) + 1
        self._added.unpark_all()

    def begin_all(self) -> None:
        """Start creating what is now this node's to create."""
        for team_id in self._backlogs:
            self.begin(team_id)

    async def _look(self, team_id: str) -> None:
        """Read a team's fan-outs again, between two turns."""
        changes = self._changed_elsewhere[team_id]
        read = partial(self._store.reader.fetch, unfinished_fan_outs, team_id)
        unfinished = await retry_until_available(read, self._log)
        former = self._backlogs.pop(team_id, None)
        if former is not None:
            self.waiting.give_back(team_id, former.remaining)
        for fan_out in unfinished:
            self.add(fan_out)
        if former is not None and (backlog := self._backlogs.get(team_id)) is not None:
            backlog.begun, backlog.added_at = former.begun, former.added_at
            backlog.made, backlog.cancelled = former.made, former.cancelled
        if self._changed_elsewhere[team_id] == changes:
            del self._changed_elsewhere[team_id]
        self.begin(team_id)
        self._progress.unpark_all()

    async def _take_turn(self, team_id: str) -> None:
        """Create a batch of a team's deliveries and hand them out; then it is the next team's turn."""
        backlog = self._backlogs.get(team_id)
        if backlog is None:
            return
        if not self._makes(team_id):
            backlog.begun = False
            return
        limit = min(_DELIVERIES_AT_ONCE, backlog.remaining)
        command = MakeDeliveries(team_id, backlog.last_first_seq, limit)
        made = await retry_until_available(partial(self._store.writer.execute, command), self._log)
        await self._owners.offer_all(made.work)
        if made.due_at is not None:
            self._owners.note_time(made.due_at)
        await self._tell(team_id, backlog, made)
        self._note(command, backlog, made)
        self._progress.unpark_all()

    def _note(self, command: MakeDeliveries, backlog: _Backlog, made: MadeDeliveries) -> None:
        team_id, next_first_seq = command.team_id, made.next_first_seq
        if next_first_seq is None and backlog.last_first_seq > command.until_first_seq:
            next_first_seq = command.until_first_seq + 1  # at the earliest: one was added in the meantime
        self.waiting.give_back(team_id, made.made)
        backlog.remaining -= made.made
        backlog.made += made.made
        if backlog.remaining > 0 and next_first_seq is not None:
            backlog.first_seq = next_first_seq
            self._turns.put(team_id, made.made, team_id)
            return
        self.waiting.give_back(team_id, backlog.remaining)
        del self._backlogs[team_id]
        took_ms = round((trio.current_time() - backlog.added_at) * 1000)
        self._log.info("deliveries_created", teamId=team_id, count=backlog.made, durationMs=took_ms)
        for (webhook_id, reason), count in backlog.cancelled.items():
            owner = {"webhookId": webhook_id, "teamId": team_id}
            self._log.info("deliveries_cancelled", **owner, reason=reason, count=count)

    async def _tell(self, team_id: str, backlog: _Backlog, made: MadeDeliveries) -> None:
        for webhook_id in {*(webhook_id for webhook_id, _ in made.work), *made.set_aside}:
            self._changes.publish(team_id, webhook_id)
        for (webhook_id, reason), cancelled in made.cancelled.items():
            self._changes.publish(team_id, webhook_id)
            self._metrics.deliveries[DeliveryStatus.CANCELLED].inc(cancelled.count)
            log = self._log.bind(webhookId=webhook_id, teamId=team_id, reason=reason)
            lines_left = max(0, _LINES_OF_A_WEBHOOK - backlog.cancelled[webhook_id, reason])
            for one in cancelled.first[:lines_left]:
                log.info(
                    "delivery_cancelled", deliveryId=one.delivery_id, eventId=one.event_id, eventType=one.event_type
                )
            backlog.cancelled[webhook_id, reason] += cancelled.count
            await trio.lowlevel.checkpoint()
