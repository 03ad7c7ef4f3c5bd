"""What can be seen of the demo from outside: through the API, at the receivers, in the mailbox."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from daemon.demo.api import Api, Json
from daemon.demo.scenario import TEAM, RegisteredWebhook, SubmittedEvent


@dataclass(frozen=True, slots=True)
class SeenAttempt:
    """One attempt; times are Unix seconds."""

    started_at: float
    ended_at: float
    outcome: str
    status: int | None


@dataclass(frozen=True, slots=True)
class SeenDelivery:
    """One delivery as the API shows it; `attempts` is filled only where it was asked for alone."""

    id: str
    event_id: str
    event: str
    webhook_id: str
    status: str
    attempts_made: int
    cancel_reason: str | None
    attempts: tuple[SeenAttempt, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status != "pending"


@dataclass(frozen=True, slots=True)
class Observation:
    """All that the demo is judged by, once it is over."""

    webhooks: tuple[RegisteredWebhook, ...]
    events: tuple[SubmittedEvent, ...]
    deliveries: tuple[SeenDelivery, ...]
    shown_webhooks: tuple[Json, ...]
    balance: int
    ledger: tuple[Json, ...]
    emails: tuple[EmailMessage, ...]

    def deliveries_to(self, webhook: RegisteredWebhook) -> tuple[SeenDelivery, ...]:
        """The deliveries to one webhook, in the order in which their events were accepted."""
        places = {event.id: place for place, event in enumerate(self.events)}
        mine = [each for each in self.deliveries if each.webhook_id == webhook.id]
        return tuple(sorted(mine, key=lambda each: places.get(each.event_id, len(places))))

    def shown(self, webhook: RegisteredWebhook) -> Json:
        """The webhook as the API shows it."""
        return next(each for each in self.shown_webhooks if each["id"] == webhook.id)


async def look_at_deliveries(api: Api) -> tuple[SeenDelivery, ...]:
    """Return all deliveries of the demo, without their attempts."""
    return tuple(_delivery(item) for item in await api.items("/v1/deliveries", teamId=TEAM))


async def look_at_everything(
    api: Api, state_dir: Path, webhooks: tuple[RegisteredWebhook, ...], events: tuple[SubmittedEvent, ...]
) -> Observation:
    """Return all that can be seen, every attempt included."""
    listed = await look_at_deliveries(api)
    credit = await api.get("/v1/credits", teamId=TEAM)
    return Observation(
        webhooks=webhooks,
        events=events,
        deliveries=tuple([_delivery(await api.get(f"/v1/deliveries/{each.id}")) for each in listed]),
        shown_webhooks=tuple(await api.items("/v1/webhooks", teamId=TEAM)),
        balance=credit["balance"],
        ledger=tuple(await api.items("/v1/credits/entries", teamId=TEAM)),
        emails=read_emails(state_dir),
    )


def read_emails(state_dir: Path) -> tuple[EmailMessage, ...]:
    """Return the emails that the daemon wrote to its Maildir, in no promised order."""
    files: Iterable[Path] = (state_dir / "Maildir" / "new").glob("*")
    return tuple(message_from_bytes(file.read_bytes(), policy=policy.default) for file in files)


def _delivery(item: dict[str, Any]) -> SeenDelivery:
    return SeenDelivery(
        id=item["id"],
        event_id=item["eventId"],
        event=item["event"],
        webhook_id=item["webhookId"],
        status=item["status"],
        attempts_made=item["attemptsMade"],
        cancel_reason=item["cancelReason"],
        attempts=tuple(map(_attempt, item.get("attempts", ()))),
    )


def _attempt(item: dict[str, Any]) -> SeenAttempt:
    started = datetime.fromisoformat(item["startedAt"]).timestamp()
    return SeenAttempt(started, started + item["durationMs"] / 1000, outcome=item["outcome"], status=item["status"])
