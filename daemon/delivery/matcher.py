"""Which webhooks an event is for: turns submissions into commands for the store, with all ids assigned."""

from collections.abc import Iterable, Sequence, Set

from daemon.delivery.fan_out import FanOuts
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.clock import Clock
from daemon.domain.model import Event
from daemon.domain.submission import MatchedEvent, NewEvent, Submission
from daemon.store.commands import AcceptEvents

# If a submission has more deliveries than this, they are created after its commit.
_MOST_AT_ONCE = 500

_Kind = tuple[str, str, str | None]  # team, event type, the one webhook that it is for


class Matcher:
    """Reads the index and the unfinished fan-outs, and changes nothing."""

    def __init__(self, *, clock: Clock, index: SubscriptionIndex, fan_outs: FanOuts) -> None:
        self._clock = clock
        self._index = index
        self._fan_outs = fan_outs

    def match_all(self, submissions: Iterable[Submission]) -> list[AcceptEvents]:
        """Match the submissions of one transaction: a team's deliveries wait behind those that are still to be made."""
        commands, waiting = [], set[str]()
        for submission in submissions:
            commands.append(self._match(submission, waiting))
            waiting.update(commands[-1].fan_outs)
        return commands

    def _match(self, submission: Submission, waiting: Set[str]) -> AcceptEvents:
        """Match a submission. For a team in `waiting`, or if there are too many, its deliveries are created later."""
        now, events = self._clock.now_ms(), submission.events
        kinds: list[_Kind] = [(event.team_id, event.type, event.only_webhook_id) for event in events]
        matches = {kind: self._webhooks_for(kind) for kind in dict.fromkeys(kinds)}
        total = sum(len(matches[kind]) for kind in kinds)
        fan_outs: dict[str, dict[str, Sequence[str]]] = {}
        for (team_id, event_type, _), webhook_ids in matches.items():
            is_later = exceeds_one_commit(total) or team_id in waiting or self._fan_outs.has_unfinished(team_id)
            if webhook_ids and is_later:
                fan_outs.setdefault(team_id, {})[event_type] = webhook_ids
        matched = tuple(
            self._match_event(event, now, webhook_ids=matches[kind], is_later=event.team_id in fan_outs)
            for event, kind in zip(events, kinds, strict=True)
        )
        return AcceptEvents(matched, submission.idempotency, now=now, fan_outs=fan_outs)

    def _webhooks_for(self, kind: _Kind) -> Sequence[str]:
        team_id, event_type, only = kind
        webhook_ids = self._index.match(team_id, event_type)
        return webhook_ids if only is None else [one for one in webhook_ids if one == only]

    def _match_event(self, event: NewEvent, now: int, *, webhook_ids: Sequence[str], is_later: bool) -> MatchedEvent:
        new_id = self._clock.new_id
        accepted = Event(
            id=new_id("evt"),
            team_id=event.team_id,
            type=event.type,
            timestamp=event.timestamp,
            body=event.body,
            accepted_at=now,
            test=event.test,
            traceparent=event.traceparent,
        )
        if is_later:
            return MatchedEvent(accepted, (), len(webhook_ids))
        return MatchedEvent(accepted, tuple([(new_id("dlv"), webhook_id) for webhook_id in webhook_ids]))


def exceeds_one_commit(deliveries: int) -> bool:
    """Whether a submission has so many deliveries that they are created after its commit."""
    return deliveries > _MOST_AT_ONCE
