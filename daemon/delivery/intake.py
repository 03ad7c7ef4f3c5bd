"""The router's intake: submissions are admitted or refused, wait for their turn, and come out in batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import trio

from daemon.actors.reply import Reply
from daemon.delivery.event_filters import Verdicts
from daemon.delivery.inbox import Inbox, Load
from daemon.delivery.matcher import exceeds_one_commit
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.errors import Overloaded, Stopping, SubmissionTooLarge, UnknownTeam
from daemon.domain.submission import Receipt, Submission
from daemon.telemetry.metrics import Metrics, Refusal

# Enough to fill a transaction, and done in less than a tenth of a second; what is left goes into the next one.
_ROWS_PER_COMMIT = 1_000
_BYTES_PER_COMMIT = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WaitingSubmission:
    """An admitted submission, what it contains for each team, what filters say of it, and where its answer goes."""

    submission: Submission
    submitted_at: float
    loads: Mapping[str, Load]
    verdicts: Verdicts = field(default_factory=dict)
    reply: Reply[tuple[Receipt, ...]] = field(default_factory=Reply)

    @property
    def rows(self) -> int:
        """About how many rows its commit writes."""
        deliveries = sum(load.deliveries for load in self.loads.values())
        return len(self.submission.events) + (0 if exceeds_one_commit(deliveries) else deliveries)

    @property
    def size_bytes(self) -> int:
        """How large the bodies of its events are."""
        return sum(load.size_bytes for load in self.loads.values())


class Intake:
    """`teams` has the ids of all teams and grows as teams are created. Each refusal is counted."""

    def __init__(
        self, *, metrics: Metrics, index: SubscriptionIndex, teams: set[str], inbox: Inbox[WaitingSubmission]
    ) -> None:
        self._refused = metrics.submissions_refused
        self._index = index
        self._teams = teams
        self._inbox = inbox
        self.closed = False

    def admit(self, submission: Submission, verdicts: Verdicts | None = None) -> WaitingSubmission:
        """Admit a submission. Raises UnknownTeam, Stopping, SubmissionTooLarge and Overloaded, with nothing kept."""
        self._require_teams(submission)
        waiting = WaitingSubmission(
            submission,
            trio.current_time(),
            loads=self._loads(submission),
            verdicts={} if verdicts is None else verdicts,
        )
        self._require_room(waiting.loads)
        self._inbox.hold(waiting.loads)
        # Only the operator submits for several teams at once: these submissions share one turn.
        turn = next(iter(waiting.loads)) if len(waiting.loads) == 1 else ""
        self._inbox.queue.put(turn, waiting.rows, waiting)
        return waiting

    def require_admissible(self, submission: Submission) -> None:
        """Raise what `admit` would raise now."""
        self._require_teams(submission)
        self._require_room(self._loads(submission))

    def take_batch(self) -> list[WaitingSubmission]:
        """Take out what goes into the next transaction, sized to take a tenth of a second; [] if nothing is waiting."""
        queue = self._inbox.queue
        if not queue:
            return []
        batch = [queue.take()]
        rows, size_bytes = batch[0].rows, batch[0].size_bytes
        while queue and rows + queue.first().rows <= _ROWS_PER_COMMIT and size_bytes <= _BYTES_PER_COMMIT:
            batch.append(queue.take())
            rows, size_bytes = rows + batch[-1].rows, size_bytes + batch[-1].size_bytes
        return batch

    def release(self, batch: Iterable[WaitingSubmission]) -> None:
        """Free the room these took: they no longer wait."""
        for waiting in batch:
            self._inbox.release(waiting.loads)

    def _require_teams(self, submission: Submission) -> None:
        unknown = [index for index, event in enumerate(submission.events) if event.team_id not in self._teams]
        if unknown:
            self._refused[Refusal.UNKNOWN_TEAM].inc()
            raise UnknownTeam(submission.events[unknown[0]].team_id, unknown)

    def _require_room(self, loads: Mapping[str, Load]) -> None:
        if self.closed:
            self._refused[Refusal.STOPPING].inc()
            raise Stopping("the daemon is stopping: send it again in a moment")
        try:
            self._inbox.require_room(loads)
        except SubmissionTooLarge:
            self._refused[Refusal.INVALID].inc()
            raise
        except Overloaded:
            self._refused[Refusal.OVERLOADED].inc()
            raise

    def _loads(self, submission: Submission) -> Mapping[str, Load]:
        """Return the submission's load for each team; webhooks are counted once for each team and type."""
        counts: dict[tuple[str, str], int] = {}
        loads: dict[str, list[int]] = {}
        for event in submission.events:
            key = (event.team_id, event.type)
            if key not in counts:
                counts[key] = self._index.count(*key)
            load = loads.setdefault(event.team_id, [0, 0, 0])
            load[0] += 1
            load[1] += len(event.body)
            load[2] += counts[key] if event.only_webhook_id is None else min(1, counts[key])
        return {team_id: Load(*load) for team_id, load in loads.items()}
