"""Who subscribes to what: the router's index of active webhooks, in memory."""

import sys
from collections.abc import Iterable, Mapping

from daemon.domain.event_types import WILDCARD
from daemon.domain.model import Webhook
from daemon.domain.operations import OPERATIONAL_TYPES, About
from daemon.store.reads.actor_reads import Subscription


class SubscriptionIndex:
    """Finds the active webhooks of a team that take an event type, in time that does not grow with their number."""

    def __init__(self) -> None:
        # Ids by team and type, without a second index by webhook: 100,000 idle webhooks should cost little.
        self._teams: dict[str, dict[str, list[str]]] = {}
        # By team and webhook, of those that have one.
        self._filters: dict[str, dict[str, str]] = {}

    def add(self, subscription: Subscription) -> None:
        """Add an active webhook that is not in the index yet."""
        events = subscription.events
        # `*` takes everything: with it in the list, the other types would only match twice. In the index it is that of
        # the product's events, for which it stands for future ones, too.
        types: Iterable[str] = dict.fromkeys(events)
        if WILDCARD in events:
            types = OPERATIONAL_TYPES if subscription.about is About.OPERATIONS else (WILDCARD,)
        by_type = self._teams.setdefault(subscription.team_id, {})
        for event_type in types:
            by_type.setdefault(sys.intern(event_type), []).append(subscription.webhook_id)
        if subscription.filter is not None:
            self._filters.setdefault(subscription.team_id, {})[subscription.webhook_id] = subscription.filter

    def put(self, webhook: Webhook) -> None:
        """Add or update a webhook; an inactive or deleted one is removed."""
        self._remove(webhook.id, webhook.team_id)
        if webhook.active and webhook.deleted_at is None:
            self.add(
                Subscription(
                    webhook.id, webhook.team_id, webhook.events, about=webhook.about, filter=webhook.options.filter
                )
            )

    def match(self, team_id: str, event_type: str) -> list[str]:
        """Return the ids of the team's active webhooks that subscribe to this type, or to all."""
        by_type = self._teams.get(team_id, {})
        if event_type in OPERATIONAL_TYPES:
            return list(by_type.get(event_type, ()))
        return by_type.get(event_type, []) + by_type.get(WILDCARD, [])

    def count(self, team_id: str, event_type: str) -> int:
        """Return how many webhooks `match` would return."""
        by_type = self._teams.get(team_id, {})
        wildcards = () if event_type in OPERATIONAL_TYPES else by_type.get(WILDCARD, ())
        return len(by_type.get(event_type, ())) + len(wildcards)

    @property
    def has_filters(self) -> bool:
        """Whether any webhook has a filter."""
        return bool(self._filters)

    def filters_of(self, team_id: str) -> Mapping[str, str]:
        """Return the filters of the team's active webhooks, by their ids."""
        return self._filters.get(team_id, {})

    def _remove(self, webhook_id: str, team_id: str) -> None:
        by_type = self._teams.get(team_id, {})
        for event_type, webhook_ids in tuple(by_type.items()):
            if webhook_id in webhook_ids:
                webhook_ids.remove(webhook_id)
            if not webhook_ids:
                del by_type[event_type]
        if not by_type:
            self._teams.pop(team_id, None)
        if (filters := self._filters.get(team_id)) is not None:
            filters.pop(webhook_id, None)
            if not filters:
                del self._filters[team_id]
