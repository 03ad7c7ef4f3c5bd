"""Applies what other nodes changed to what this one has in memory."""

from collections.abc import Callable
from dataclasses import dataclass

from daemon.crypto.api_keys import ApiKeys
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.live.listener import EndReason
from daemon.live.registry import Listeners
from daemon.management.event_types import EventTypes
from daemon.management.sign_outs import SignOuts
from daemon.store.nodes import News
from daemon.telemetry.change_feed import ChangeFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What each node has in memory of the database.

    `granted(team_id)` is told of new credits; `look_for_work()` is called after changes that may leave a mail
    to be sent, deliveries to be cancelled, a bulk job, or something to erase. `seal_with(fingerprint)` has another key
    seal from now on.
    """

    index: SubscriptionIndex
    team_ids: set[str]
    api_keys: ApiKeys
    sign_outs: SignOuts
    event_types: EventTypes
    fan_outs: FanOuts
    listeners: Listeners
    changes: ChangeFeed
    granted: Callable[[str], None]
    look_for_work: Callable[[], None]
    seal_with: Callable[[str], None]

    def apply(self, news: News) -> None:
        """Put news into memory."""
        if news.sealing is not None:
            self.seal_with(news.sealing)
        for webhook in news.webhooks:
            self.index.put(webhook)
            if webhook.deleted_at is not None:
                self.listeners.end(webhook.id, EndReason.WEBHOOK_DELETED)
            self.changes.publish(webhook.team_id, webhook.id)
        if news.webhooks or news.credits or news.bulk_jobs or news.erasures:
            self.look_for_work()
        self.team_ids.update(news.team_ids)
        if news.event_types:
            self.event_types.apply(news.event_types)
        for known in news.keys:
            if known.key.revoked_at is None:
                self.api_keys.add(known.digest, known.key)
            else:
                self.api_keys.remove(known.key.id)
        for ended in news.sessions:
            self.sign_outs.remember(ended)
        for team_id in news.credits:
            self.granted(team_id)
        self.fan_outs.look_again(news.fan_outs)
