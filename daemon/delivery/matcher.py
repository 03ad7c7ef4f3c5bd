"""Which webhooks an event is for: turns submissions into commands for the store, with all ids assigned."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set

from daemon.delivery.event_filters import Verdicts
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.clock import Clock
from daemon.domain.model import Event
from daemon.domain.submission import MatchedEvent, Submission, places_of
from daemon.store.commands import AcceptEvents

# If a submission has more deliveries than this, they are created after its commit.
_MOST_AT_ONCE = 500

_Kind = tuple[str, str, str | None]  # team, event type, the one webhook that it is for


class Matcher:
    """Reads the index and the unfinished fan-outs, which are of this `version()`, and changes nothing."""

    def __init__(
        self,
        *,
        clock: Clock,
        index: SubscriptionIndex,
        fan_outs: FanOuts,
        version: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._index = index
        self._fan_outs = fan_outs
        self._version = version

    def match_all(self, submissions: Iterable[tuple[Submission, Verdicts]]) -> list[AcceptEvents]:
        """Match the submissions of one transaction: a team's deliveries wait behind those that are still to be made.

        The verdicts of all filters are there (`EventFilters.are_unknown`).
        """
        commands, waiting = [], set[str]()
        for submission, verdicts in submissions:
            commands.append(self._match(submission, waiting, verdicts))
            waiting.update(commands[-1].fan_outs)
        return commands

    def _match(self, submission: Submission, waiting: Set[str], verdicts: Verdicts) -> AcceptEvents:
        """Match a submission. For a team in `waiting`, or if there are too many, its deliveries are created later."""
        events = submission.events
        kinds: list[_Kind] = [(event.team_id, event.type, event.only_webhook_id) for event in events]
        matches = {kind: self._webhooks_for(kind) for kind in dict.fromkeys(kinds)}
        subscribed = [matches[kind] for kind in kinds]
        webhook_ids = self._without_refused(submission, subscribed, verdicts) if verdicts else subscribed
        is_large = exceeds_one_commit(sum(map(len, webhook_ids)))
        fan_outs: dict[str, dict[str, Sequence[str]]] = {}
        for (team_id, event_type, _), of_kind in matches.items():
            if of_kind and (is_large or team_id in waiting or self._fan_outs.has_unfinished(team_id)):
                fan_outs.setdefault(team_id, {})[event_type] = of_kind
        now = self._clock.now_ms()
        accepted = self._accepted(submission, now)
        if fan_outs and verdicts:
            for event, all_of_type, chosen in zip(accepted, subscribed, webhook_ids, strict=True):
                if event.team_id in fan_outs and len(chosen) != len(all_of_type):
                    fan_outs[event.team_id][event.id] = places_of(chosen, all_of_type)
        matched = self._match_events(accepted, webhook_ids, later=fan_outs.keys())
        return AcceptEvents(tuple(matched), submission.idempotency, now=now, fan_outs=fan_outs, version=self._version())

    def _webhooks_for(self, kind: _Kind) -> Sequence[str]:
        team_id, event_type, only = kind
        webhook_ids = self._index.match(team_id, event_type)
        return webhook_ids if only is None else [one for one in webhook_ids if one == only]

    def _without_refused(
        self, submission: Submission, subscribed: Sequence[Sequence[str]], verdicts: Verdicts
    ) -> list[Sequence[str]]:
        """Return the webhooks of each event but those whose filters, as they are now, do not take it."""
        refused = set[tuple[int, str]]()
        for (place, webhook_id), (text, takes) in verdicts.items():
            if not takes and self._index.filters_of(submission.events[place].team_id).get(webhook_id) == text:
                refused.add((place, webhook_id))
        return [
            [webhook_id for webhook_id in of_event if (place, webhook_id) not in refused]
            for place, of_event in enumerate(subscribed)
        ]

    def _accepted(self, submission: Submission, now: int) -> list[Event]:
        events, key_id = submission.events, submission.key_id or None
        return [
            Event(
                id=event_id,
                team_id=event.team_id,
                type=event.type,
                timestamp=event.timestamp,
                body=event.body,
                accepted_at=now,
                test=event.test,
                traceparent=event.traceparent,
                key_id=key_id,
                terms=event.terms,
            )
            for event, event_id in zip(events, self._clock.new_ids("evt", len(events)), strict=True)
        ]

    def _match_events(
        self, events: Sequence[Event], webhook_ids: Sequence[Sequence[str]], later: Set[str]
    ) -> Iterator[MatchedEvent]:
        """Yield each event with deliveries to its webhooks; those of the teams in `later` get theirs later."""
        matches = list(zip(events, webhook_ids, strict=True))
        count = sum(len(of_event) for event, of_event in matches if event.team_id not in later)
        new_ids = iter(self._clock.new_ids("dlv", count))
        for event, of_event in matches:
            if event.team_id in later:
                yield MatchedEvent(event, (), len(of_event))
            else:
                yield MatchedEvent(event, tuple([(next(new_ids), webhook_id) for webhook_id in of_event]))


def exceeds_one_commit(deliveries: int) -> bool:
    """Whether a submission has so many deliveries that they are created after its commit."""
    return deliveries > _MOST_AT_ONCE
