"""Which events the filters of webhooks take: asked before events are matched, within bounds, and told if they fail."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import trio

from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.clock import NowMs
from daemon.domain.submission import NewEvent, Submission
from daemon.filters.language import Filter, WrongFilter, compile_filter, document_of
from daemon.filters.steps import MOST_STEPS, MOST_STEPS_OF_EVENT, Budget, FilterFailed
from daemon.telemetry.telemetry import Telemetry

# By an event's place in its submission, and a webhook's id: the filter that was asked, and whether it takes the event.
Verdicts = MutableMapping[tuple[int, str], tuple[str, bool]]

_MOST_COMPILED = 500  # at most 50 MB, if each is as large as one may be; usually 2 MB
_MOST_FAILURES = 10_000
_STEPS_BETWEEN_CHECKPOINTS = MOST_STEPS
_STEPS_OF_EVENT, _BYTES_A_STEP = 20, 100  # what it costs to read an event, about
_LOG_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class FilterFailures:
    """How often a webhook's filter failed on this node since it started, or since it was changed."""

    filter: str
    count: int
    last_at: int
    last_error: str
    logged_at: int
    unlogged: int = 0


class EventFilters:
    """Asks the filters of the index. What failed is kept in memory, of a bounded number of webhooks."""

    def __init__(self, *, index: SubscriptionIndex, telemetry: Telemetry, now_ms: NowMs) -> None:
        self._index = index
        self._log = telemetry.log
        self._now_ms = now_ms
        self._compiled: Callable[[str], Filter] = lru_cache(_MOST_COMPILED)(compile_filter)
        self._failures: OrderedDict[str, FilterFailures] = OrderedDict()
        self._unpaused_steps = 0

    async def judge(self, submission: Submission, verdicts: Verdicts) -> None:
        """Add what the filters of the webhooks that subscribe to these events say, unless it is known already."""
        for place, event in enumerate(submission.events):
            unknown = self._unknown(place, event, verdicts)
            if unknown:
                for webhook_id, takes in (await self.ask(event.team_id, event.body, unknown)).items():
                    verdicts[place, webhook_id] = (unknown[webhook_id], takes)

    def are_unknown(self, submission: Submission, verdicts: Verdicts) -> bool:
        """Whether there is a filter that must be asked before the submission is matched."""
        if not self._index.has_filters:
            return False
        return any(self._unknown(place, event, verdicts) for place, event in enumerate(submission.events))

    def _unknown(self, place: int, event: NewEvent, verdicts: Verdicts) -> dict[str, str]:
        filters = self._index.filters_of(event.team_id)
        if not filters or event.only_webhook_id is not None:
            return {}
        return {
            webhook_id: filters[webhook_id]
            for webhook_id in self._index.match(event.team_id, event.type)
            if webhook_id in filters and verdicts.get((place, webhook_id), ("", False))[0] != filters[webhook_id]
        }

    async def ask(self, team_id: str, body: bytes, filters: Mapping[str, str]) -> dict[str, bool]:
        """Return whether these filters, by their webhooks, take the event with this body. One that fails does not."""
        asked = dict[str, bool | FilterFailed]()  # webhooks may have the same filter
        steps_left = MOST_STEPS_OF_EVENT
        document = _document_or_failure(body)
        await self._note_steps(_STEPS_OF_EVENT + len(body) // _BYTES_A_STEP)
        for text in dict.fromkeys(filters.values()):
            budget = Budget(min(MOST_STEPS, steps_left))
            asked[text] = self._ask(text, document, budget)
            steps_left -= min(budget.spent, steps_left)
            await self._note_steps(budget.spent)
        for webhook_id, text in filters.items():
            if isinstance(failure := asked[text], FilterFailed):
                self._note_failure(team_id, webhook_id, text=text, error=str(failure))
        return {webhook_id: asked[text] is True for webhook_id, text in filters.items()}

    def _ask(self, text: str, document: Any, budget: Budget) -> bool | FilterFailed:
        if isinstance(document, FilterFailed):
            return document
        try:
            return self._compiled(text).takes(document, budget)
        except FilterFailed as failure:
            return failure
        except WrongFilter as error:  # it was right for the version that kept it
            return FilterFailed(f"the filter is not right for this version of the daemon: {error}")

    async def _note_steps(self, steps: int) -> None:
        self._unpaused_steps += steps
        if self._unpaused_steps >= _STEPS_BETWEEN_CHECKPOINTS:
            self._unpaused_steps = 0
            await trio.lowlevel.checkpoint()

    def failures_of(self, webhook_id: str, text: str | None) -> FilterFailures | None:
        """Return how often this filter of a webhook failed here, None if it never did."""
        known = self._failures.get(webhook_id)
        return known if known is not None and known.filter == text else None

    def _note_failure(self, team_id: str, webhook_id: str, *, text: str, error: str) -> None:
        now = self._now_ms()
        known = self.failures_of(webhook_id, text)
        count, unlogged = (0, 0) if known is None else (known.count, known.unlogged)
        is_logged = known is None or not 0 <= now - known.logged_at < _LOG_EVERY_MS
        if is_logged:
            self._log.warning("filter_failed", webhookId=webhook_id, teamId=team_id, error=error, count=unlogged + 1)
        self._failures[webhook_id] = FilterFailures(
            filter=text,
            count=count + 1,
            last_at=now,
            last_error=error,
            logged_at=now if known is None or is_logged else known.logged_at,
            unlogged=0 if is_logged else unlogged + 1,
        )
        self._failures.move_to_end(webhook_id)
        if len(self._failures) > _MOST_FAILURES:
            self._failures.popitem(last=False)


def _document_or_failure(body: bytes) -> Any:
    try:
        return document_of(body)
    except FilterFailed as failure:
        return failure
