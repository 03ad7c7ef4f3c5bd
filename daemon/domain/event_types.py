"""The event types: what they mean and what their data looks like (contract "Event types")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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


def build_catalogue(added: Iterable[EventType] = ()) -> Catalogue:
    """Return the built-in event types and those that the operator adds, by name; an added one wins over a built-in."""
    return {event_type.name: event_type for event_type in (*BUILT_IN, *added)}
