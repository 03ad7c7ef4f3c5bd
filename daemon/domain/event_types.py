"""The event types: what they mean and what their data looks like (contract "Event types")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from daemon.domain.operations import OperationalType

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event; `name` is what a webhook subscribes to, `example` a realistic `data` object."""

    name: str
    description: str
    category: str
    example: Mapping[str, Any]


Catalogue = Mapping[str, EventType]

_CHAT = {
    "agentId": "agent_7hq2m9x4kd",
    "campaignId": "campaign_3w8r5t1zpn",
    "chatId": "chat_9v6b2c8ylf",
    "prospectId": "prospect_4j1s7g3aeu",
}
_WHEN = "2025-07-15T10:29:58.412Z"

BUILT_IN = (
    EventType(
        "linkedin.message.sent",
        "Agent sends a message to a prospect",
        category="message",
        example={
            **_CHAT,
            "message": "Hi Dana, thanks for connecting. Are you still looking into outreach tools?",
            "timestamp": _WHEN,
        },
    ),
    EventType(
        "linkedin.message.received",
        "Prospect responds to an agent",
        category="message",
        example={**_CHAT, "message": "Yes, we are. Could you show me a short demo on Thursday?", "timestamp": _WHEN},
    ),
    EventType(
        "linkedin.invitation.sent",
        "Agent sends a connection invitation",
        category="invitation",
        example={**_CHAT, "note": "Hi Dana, I liked your post about onboarding.", "timestamp": _WHEN},
    ),
    EventType(
        "linkedin.invitation.accepted",
        "Prospect accepts a connection invitation",
        category="invitation",
        example={**_CHAT, "timestamp": _WHEN},
    ),
    EventType(
        "prospect.qualification.manual",
        "A prospect needs a manual qualification review",
        category="qualification",
        example={**_CHAT, "reason": "The prospect asked about pricing for 200 seats", "timestamp": _WHEN},
    ),
    EventType(
        "prospect.unqualified",
        "A prospect was marked unqualified automatically",
        category="qualification",
        example={**_CHAT, "reason": "The prospect's company has fewer than 10 employees", "timestamp": _WHEN},
    ),
)


_WEBHOOK = {
    "teamName": "Acme",
    "webhook": {"id": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0", "name": "CRM Sync", "host": "crm.example.com"},
}
_WEBHOOK_PAGE = "https://hooks.example.com/console/webhooks/wh_01jzy8h2k4n6q8s0v2x4z6b8d0"
_CREDITS_PAGE = "https://hooks.example.com/console/teams/team_acme/credits"
_FAILURE = {
    "deliveryId": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n",
    "outcome": "http_error",
    "status": 503,
    "error": "the receiver answered 503",
    "at": _WHEN,
}


def _operational(name: OperationalType, description: str, **example: Any) -> EventType:
    return EventType(name.value, description, category="operations", example=example)


OPERATIONAL_CATALOGUE: Catalogue = MappingProxyType(
    {
        event_type.name: event_type
        for event_type in (
            _operational(
                OperationalType.WEBHOOK_FAILING,
                "A webhook has failed twice in a row",
                text=(
                    "Webhook “CRM Sync” of Acme is failing: 2 deliveries in a row failed, "
                    "the last one because the receiver answered 503. 2 more, and it is disabled."
                ),
                url=_WEBHOOK_PAGE,
                **_WEBHOOK,
                consecutiveFailures=2,
                lastFailure=_FAILURE,
                disabledAfter=4,
                counted="deliveries",
            ),
            _operational(
                OperationalType.WEBHOOK_DISABLED,
                "A webhook was disabled, because its deliveries kept failing",
                text=(
                    "Webhook “CRM Sync” of Acme was disabled, because its deliveries kept failing, "
                    "the last one because the receiver answered 503."
                ),
                url=_WEBHOOK_PAGE,
                **_WEBHOOK,
                reason="consecutive_failures",
                consecutiveFailures=4,
                lastFailure=_FAILURE,
                disabledAfter=4,
                counted="deliveries",
            ),
            _operational(
                OperationalType.WEBHOOK_RECOVERED,
                "A webhook that had been disabled works again",
                text="Webhook “CRM Sync” of Acme works again: a delivery has succeeded.",
                url=_WEBHOOK_PAGE,
                **_WEBHOOK,
                disabledAt=_WHEN,
            ),
            _operational(
                OperationalType.CREDITS_LOW,
                "A team's balance has fallen below what it calls low",
                text="Acme has 98 credits left.",
                url=_CREDITS_PAGE,
                teamName="Acme",
                balance=98,
                lowCredits=100,
            ),
            _operational(
                OperationalType.CREDITS_EXHAUSTED,
                "A team can pay for no further delivery: they wait until credits are granted",
                text="The credits of Acme are used up: its deliveries wait.",
                url=_CREDITS_PAGE,
                teamName="Acme",
                balance=0,
            ),
        )
    }
)


def build_catalogue(added: Iterable[EventType] = ()) -> Catalogue:
    """Return the built-in event types and those that the operator adds, by name; an added one wins over a built-in."""
    return {event_type.name: event_type for event_type in (*BUILT_IN, *added)}
