"""Who subscribes to what: the router's index of active webhooks, in memory."""

from collections.abc import Iterable

from daemon.catalogue import WILDCARD
from daemon.model import Webhook
from daemon.store.daemon_queries import Subscription


class SubscriptionIndex:
    """Answers which active webhooks of a team take an event type, in time that does not grow with their number."""

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        self._by_type: dict[tuple[str, str], list[str]] = {}
        self._events: dict[str, tuple[str, ...]] = {}
        for subscription in subscriptions:
            self._add(subscription.webhook_id, subscription.team_id, subscription.events)

    def __len__(self) -> int:
        return len(self._events)

    def put(self, webhook: Webhook) -> None:
        """Take note of a webhook as it is now; an inactive or deleted one is forgotten."""
        self._remove(webhook.id, webhook.team_id)
        if webhook.active and webhook.deleted_at is None:
            self._add(webhook.id, webhook.team_id, webhook.events)

    def match(self, team_id: str, event_type: str) -> list[str]:
        """Return the ids of the team's active webhooks that subscribe to this type, or to all."""
        by_type = self._by_type.get((team_id, event_type), [])
        return by_type + self._by_type.get((team_id, WILDCARD), [])

    def _add(self, webhook_id: str, team_id: str, events: tuple[str, ...]) -> None:
        # `*` takes everything: with it in the list, the other types would only match twice.
        types = (WILDCARD,) if WILDCARD in events else tuple(dict.fromkeys(events))
        self._events[webhook_id] = types
        for event_type in types:
            self._by_type.setdefault((team_id, event_type), []).append(webhook_id)

    def _remove(self, webhook_id: str, team_id: str) -> None:
        for event_type in self._events.pop(webhook_id, ()):
            webhook_ids = self._by_type[team_id, event_type]
            webhook_ids.remove(webhook_id)
            if not webhook_ids:
                del self._by_type[team_id, event_type]
